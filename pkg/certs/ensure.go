package certs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
)

// SyncedCABundle is a CABundle that is read and mended on request, for a process that
// does not follow it.
type SyncedCABundle interface {
	CABundle
	// Sync reads the caBundle, mends it and reads it back. That there is no webhook
	// configuration is no error.
	Sync(ctx context.Context) error
}

// EnsureOptions are what Ensure works with. CABundle may be nil.
type EnsureOptions struct {
	Store    Store
	Secret   types.NamespacedName
	CABundle SyncedCABundle
	Policy   Policy // complete and valid
	// Finish goes on until no change of CA is under way: for a renewal job, which
	// has nobody behind it to do the rest.
	Finish   bool
	Clock    clock.Clock
	Log      *slog.Logger
	Recorder Recorder
}

// The pauses of Ensure: between two looks when it waits, and after a failure.
const (
	ensurePoll     = 250 * time.Millisecond
	ensureMaxPause = 2 * time.Second
)

// Ensure does what Decide wants until the Secret holds a good certificate and the
// caBundle trusts it, and returns that certificate. Failures of the API server and
// a missing Secret are tried again until ctx ends; then the error says what was in
// the way last.
func Ensure(ctx context.Context, o EnsureOptions) (*Certificate, error) {
	e := &ensurer{o: o, actor: newActor(o.Policy, &CertificateSource{})}
	for {
		bundle, err := e.once(ctx)
		if bundle != nil {
			return bundle, nil
		}
		if err == nil {
			continue // something was written: look again at once
		}
		if ctx.Err() == nil {
			// The call that ctx cuts short tells less than the one before.
			e.last = err
			e.tell(err)
		} else if e.last == nil {
			e.last = err
		}
		if !e.pause(ctx, err) {
			return nil, e.last
		}
	}
}

type ensurer struct {
	o     EnsureOptions
	actor *actor
	last  error
	wait  time.Duration
	told  string
}

// tell logs what is waited for, once.
func (e *ensurer) tell(err error) {
	if err.Error() != e.told {
		e.told = err.Error()
		e.o.Log.Info("waiting", "reason", e.told)
	}
}

// errNotYet is a wait that is no failure.
type errNotYet struct{ reason string }

func (e errNotYet) Error() string { return e.reason }

// once looks and acts once. It returns the bundle when all is done, no error when
// it wrote something, and else what it waits for.
func (e *ensurer) once(ctx context.Context) (*Certificate, error) {
	secret, err := e.o.Store.Get(ctx)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("secret %s does not exist, and only the chart may create it: create it without data, or check --namespace and --secret", e.o.Secret)
	}
	if err != nil {
		return nil, &kube.Error{Verb: "get", Object: "secret " + e.o.Secret.String(), Err: err}
	}
	if err := e.sync(ctx); err != nil {
		return nil, err
	}
	v := e.actor.look(e.o.Clock.Now(), ParseState(secret.Data), true, look(e.trust()))
	if v.step.Action != Wait {
		return nil, e.write(ctx, secret, v)
	}
	if v.leafErr != nil {
		return nil, e.notUsable(v)
	}
	if e.o.CABundle != nil {
		e.o.CABundle.Want(v.want)
		if err := e.sync(ctx); err != nil {
			return nil, err
		}
	}
	if e.o.Finish && v.input.Secret.Next != nil {
		return nil, errNotYet{fmt.Sprintf("the caBundle must have held the next CA for %s", e.o.Policy.TrustPropagation)}
	}
	return v.input.Secret.Certificate(), nil
}

func (e *ensurer) trust() CABundle {
	if e.o.CABundle == nil {
		return nil // not a nil pointer in an interface
	}
	return e.o.CABundle
}

func (e *ensurer) sync(ctx context.Context) error {
	if e.o.CABundle == nil {
		return nil
	}
	return e.o.CABundle.Sync(ctx)
}

func (e *ensurer) notUsable(v verdict) error {
	if e.o.Policy.ReadOnly {
		return fmt.Errorf("secret %s holds no usable certificate: %w; another process must write it, see its log", e.o.Secret, v.leafErr)
	}
	return errNotYet{v.step.Reason}
}

func (e *ensurer) write(ctx context.Context, secret *corev1.Secret, v verdict) error {
	state, err := Apply(v.step.Action, v.input, e.o.Policy)
	if err != nil {
		return fmt.Errorf("cannot %s: %w", v.step.Action, err)
	}
	next := secret.DeepCopy()
	next.Data = state.Data(secret.Data)
	_, err = e.o.Store.Update(ctx, next)
	switch {
	case err == nil:
		record(e.o.Recorder, v.step)
		e.o.Log.Info("certificates changed", "action", string(v.step.Action), "reason", v.step.Reason, "secret", e.o.Secret.String())
		return nil
	case apierrors.IsConflict(err):
		e.o.Recorder.WriteConflict()
		e.o.Log.Info("another process was first, its certificate is used", "secret", e.o.Secret.String())
		return nil
	}
	e.o.Recorder.WriteFailed("secret")
	return &kube.Error{Verb: "update", Object: "secret " + e.o.Secret.String(), Err: err}
}

// pause waits before the next look, longer after each failure in a row. It is
// false when ctx ended.
func (e *ensurer) pause(ctx context.Context, err error) bool {
	var notYet errNotYet
	if errors.As(err, &notYet) {
		e.wait = ensurePoll
	} else {
		e.wait = min(max(2*e.wait, ensurePoll), ensureMaxPause)
	}
	timer := e.o.Clock.NewTimer(e.wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}
