package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var secrets = schema.GroupResource{Resource: "secrets"}

func TestError(t *testing.T) {
	refused := &url.Error{Op: "Get", URL: "https://10.0.0.1/api/v1/secrets?token=x", Err: syscall.ECONNREFUSED}
	tests := map[string]struct {
		err  error
		kind FailureKind
		want string
	}{
		"forbidden":    {apierrors.NewForbidden(secrets, "certs", errors.New("no rule")), NoPermission, "not allowed to get secret ns/certs: grant the service account this verb on this name"},
		"unauthorized": {apierrors.NewUnauthorized("token expired"), NoPermission, "not allowed to get"},
		"conflict":     {apierrors.NewConflict(secrets, "certs", errors.New("x")), Conflict, "cannot get secret ns/certs because somebody else changed it in the meantime"},
		"not found":    {apierrors.NewNotFound(secrets, "certs"), NotFound, "because it does not exist"},
		"refused":      {refused, Unreachable, "because the API server does not answer: check that it runs and that network policies allow it (connection refused)"},
		"timeout":      {context.DeadlineExceeded, Unreachable, "because the API server does not answer"},
		"starting":     {apierrors.NewServiceUnavailable("starting"), Unreachable, "because the API server does not answer"},
		"invalid":      {apierrors.NewBadRequest("immutable."), Refused, "cannot get secret ns/certs: immutable"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := &Error{Verb: "get", Object: "secret ns/certs", Err: tt.err}
			got := err.Error()
			if Classify(tt.err) != tt.kind || !strings.Contains(got, tt.want) || strings.HasSuffix(got, ".") {
				t.Errorf("%s: %q, want %s: %q", Classify(tt.err), got, tt.kind, tt.want)
			}
			if strings.Contains(got, "token=") {
				t.Errorf("the URL is in the message: %q", got)
			}
			if wrapped := fmt.Errorf("x: %w", err); Classify(wrapped) != tt.kind || !errors.Is(wrapped, tt.err) {
				t.Errorf("wrapped it is %s, and the client's error is lost: %v", Classify(wrapped), wrapped)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := Config("", "x"); err == nil || !strings.Contains(err.Error(), "--kubeconfig must be given") {
		t.Errorf("outside a cluster: %v", err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Config(path, "x"); err == nil || !strings.Contains(err.Error(), "--kubeconfig "+path) {
		t.Errorf("broken file: %v", err)
	}
}

func TestParseName(t *testing.T) {
	if n, err := ParseName("istio-system/a.b-c"); err != nil || n.String() != "istio-system/a.b-c" {
		t.Errorf("%v, %v", n, err)
	}
	for _, bad := range []string{"", "a", "a/", "/b", "a/b/c", "A/b", "a/b_c"} {
		if _, err := ParseName(bad); err == nil || !strings.Contains(err.Error(), "namespace/name") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
