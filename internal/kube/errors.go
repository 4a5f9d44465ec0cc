// Package kube holds what every client of the API server here needs: a watch of
// one object by name, and errors as sentences.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Trouble says what kind of failure a call had.
type Trouble string

// The kinds of failure, as they appear in logs.
const (
	NoPermission Trouble = "no-permission"
	Unreachable  Trouble = "api-server-unreachable"
	Conflict     Trouble = "conflict"
	NotFound     Trouble = "not-found"
	Refused      Trouble = "request-refused"
)

// Classify tells failures apart by what can be done about them.
func Classify(err error) Trouble {
	var urlErr *url.Error
	var netErr net.Error
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return NoPermission
	case apierrors.IsConflict(err):
		return Conflict
	case apierrors.IsNotFound(err):
		return NotFound
	case errors.As(err, &urlErr), errors.As(err, &netErr),
		errors.Is(err, context.DeadlineExceeded),
		apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err),
		apierrors.IsInternalError(err):
		return Unreachable
	}
	return Refused
}

// Sentence says that verb on what failed, why, and what to do. what names kind
// and object, for example "secret istio-system/certs".
func Sentence(err error, verb, what string) string {
	switch Classify(err) {
	case NoPermission:
		return fmt.Sprintf("not allowed to %s %s: grant the service account this verb on this name (%s)", verb, what, cause(err))
	case Unreachable:
		return fmt.Sprintf("cannot %s %s because the API server does not answer: check that it runs and that network policies allow it (%s)", verb, what, cause(err))
	case Conflict:
		return fmt.Sprintf("cannot %s %s because somebody else changed it in the meantime", verb, what)
	case NotFound:
		return fmt.Sprintf("cannot %s %s because it does not exist", verb, what)
	}
	return fmt.Sprintf("cannot %s %s: %s", verb, what, cause(err))
}

// cause drops the request's URL, which only repeats what the sentence says.
func cause(err error) string {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	return strings.TrimSuffix(err.Error(), ".")
}
