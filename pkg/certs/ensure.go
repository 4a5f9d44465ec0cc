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

// SyncedCABundle is a CABundle that is read and mended on request, for a process
// that does not follow it.
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

const (
	// ensurePoll is the pause of Ensure between two looks when it waits.
	ensurePoll = 250 * time.Millisecond
	// ensureMaxPause is its longest pause after a failure.
	ensureMaxPause = 2 * time.Second
	// maxPreview bounds the steps that are foreseen; more than a renewal, an
	// announcement and a prune never follow each other without waiting.
	maxPreview = 8
)

// Ensure does what [Decide] wants until the Secret holds a good certificate and
// the caBundle trusts it, and returns that certificate. Failures of the API server
// and a missing Secret are tried again until ctx ends; then the error says what
// was in the way last.
func Ensure(ctx context.Context, o EnsureOptions) (*Certificate, error) {
	e := newEnsurer(o)
	for {
		certificate, err := e.once(ctx)
		if certificate != nil {
			return certificate, nil
		}
		if err == nil {
			continue // something was written: look again at once
		}
		if ctx.Err() == nil {
			// The call that ctx cuts short tells less than the one before.
			e.last = err
			e.logWait(err)
		} else if e.last == nil {
			e.last = err
		}
		if !e.sleep(ctx, err) {
			return nil, e.last
		}
	}
}

// Preview returns the steps that Ensure would take now and the certificate with
// which it would end (nil: it would wait for another process), and writes nothing.
// The CABundle must be one that only observes; afterwards it wants what Ensure
// would want.
func Preview(ctx context.Context, o EnsureOptions) ([]Step, *Certificate, error) {
	e := newEnsurer(o)
	secret, err := o.Store.Get(ctx)
	if err != nil {
		return nil, nil, &kube.Error{Verb: "get", Object: e.writer.object(), Err: err}
	}
	if err := e.sync(ctx); err != nil {
		return nil, nil, err
	}
	state := ParseState(secret.Data)
	var steps []Step
	for range maxPreview {
		v := e.actor.tick(o.Clock.Now(), state, true, e.trust())
		if o.CABundle != nil {
			o.CABundle.Want(v.want)
		}
		if v.step.Action == Wait {
			if v.leafErr != nil {
				return steps, nil, nil
			}
			break
		}
		if state, err = Apply(v.step.Action, v.input, o.Policy); err != nil {
			return nil, nil, err
		}
		steps = append(steps, v.step)
	}
	return steps, state.Certificate(), nil
}

type ensurer struct {
	o      EnsureOptions
	actor  *actor
	writer writer
	writes int           // that were tried
	last   error         // what was in the way
	pause  time.Duration // the last one
	logged string        // what was waited for when it was logged last
}

func newEnsurer(o EnsureOptions) *ensurer {
	return &ensurer{
		o: o, actor: newActor(o.Policy, &CertificateSource{}),
		writer: writer{store: o.Store, secret: o.Secret, policy: o.Policy, log: o.Log, recorder: o.Recorder},
	}
}

// logWait logs what is waited for, once.
func (e *ensurer) logWait(err error) {
	if err.Error() != e.logged {
		e.logged = err.Error()
		e.o.Log.Info("waiting", "reason", e.logged)
	}
}

// errNotYet is a wait that is no failure.
type errNotYet struct{ reason string }

func (e errNotYet) Error() string { return e.reason }

// once looks and acts once. It returns the certificate when all is done, no error
// when it wrote something, and else what it waits for.
func (e *ensurer) once(ctx context.Context) (*Certificate, error) {
	secret, err := e.o.Store.Get(ctx)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%s does not exist, and only the chart may create it: create it without data, or check --namespace and --secret", e.writer.object())
	}
	if err != nil {
		return nil, &kube.Error{Verb: "get", Object: e.writer.object(), Err: err}
	}
	if err := e.sync(ctx); err != nil {
		return nil, err
	}
	v := e.actor.tick(e.o.Clock.Now(), ParseState(secret.Data), true, e.trust())
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

func (e *ensurer) trust() trustView {
	if e.o.CABundle == nil {
		return trustView{} // a nil SyncedCABundle is no nil CABundle
	}
	return viewOf(e.o.CABundle)
}

func (e *ensurer) sync(ctx context.Context) error {
	if e.o.CABundle == nil {
		return nil
	}
	return e.o.CABundle.Sync(ctx)
}

func (e *ensurer) notUsable(v verdict) error {
	if e.o.Policy.ReadOnly {
		return fmt.Errorf("%s holds no usable certificate: %w; another process must write it, see its log", e.writer.object(), v.leafErr)
	}
	return errNotYet{v.step.Reason}
}

// write returns no error when another process was first: its certificate is used.
// Writes that do not help are slowed down.
func (e *ensurer) write(ctx context.Context, secret *corev1.Secret, v verdict) error {
	err := e.writer.write(ctx, secret, v)
	if e.writes++; err == nil && e.writes > writeBurst {
		return errNotYet{fmt.Sprintf("%s has been written %d times, and somebody else replaces its certificate", e.writer.object(), e.writes)}
	}
	if kube.Classify(err) == kube.Conflict {
		e.o.Log.Info("another process was first, its certificate is used", "secret", e.o.Secret.String())
		return nil
	}
	return err
}

// sleep waits before the next look, longer after each failure in a row. It is
// false when ctx ended.
func (e *ensurer) sleep(ctx context.Context, err error) bool {
	var notYet errNotYet
	if errors.As(err, &notYet) {
		e.pause = ensurePoll
	} else {
		e.pause = min(max(2*e.pause, ensurePoll), ensureMaxPause)
	}
	timer := e.o.Clock.NewTimer(e.pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}
