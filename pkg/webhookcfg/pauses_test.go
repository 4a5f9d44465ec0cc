package webhookcfg

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
)

// The log of a repair says what was wrong, and so does a dry run.
func TestTheReasonOfARepair(t *testing.T) {
	a, b := ca(t, subject, 0, time.Hour), ca(t, subject, 10, time.Hour)
	expired := ca(t, subject, -7200, time.Hour)
	for name, tc := range map[string]struct {
		live []byte
		want []*x509.Certificate
		says string
	}{
		"empty":           {nil, []*x509.Certificate{a}, "it was empty"},
		"no certificate":  {[]byte("Cg=="), []*x509.Certificate{a}, "it held no certificate"},
		"one of two":      {text(a), []*x509.Certificate{b, a}, "it lacked 1 of 2 wanted CAs"},
		"none of two":     {text(expired), []*x509.Certificate{b, a}, "it lacked 2 of 2 wanted CAs"},
		"rubbish besides": {append(text(a), "hello"...), []*x509.Certificate{a}, "it held something else than CAs"},
		"expired":         {text(a, expired), []*x509.Certificate{a}, "it held an expired CA"},
		"earlier":         {text(b, a), []*x509.Certificate{b}, "it held an earlier CA that is not needed any more"},
	} {
		if got := reason(tc.live, tc.want, start); got != tc.says {
			t.Errorf("%s: got %q, want %q", name, got, tc.says)
		}
	}
}

// An API server in trouble is asked again after 50 ms, then after longer and
// longer pauses of at most ten seconds: about 13 times in a minute.
func TestAPatchThatFailsIsTriedAgainAfterPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config("1", nil, nil))
		tried := 0
		r.client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			tried++
			return true, nil, apierrors.NewInternalError(errors.New("no quorum"))
		})
		run(t, r, time.Minute)
		if tried < 10 || tried > 20 {
			t.Errorf("tried %d times in a minute", tried)
		}
	})
}

// Replicas that see the same event do not all patch at once, and none of them
// waits long, because no pod can be admitted until one has.
func TestReplicasSpreadTheirPatches(t *testing.T) {
	r := newRig(t, config("1", nil, nil))
	r.Want([]*x509.Certificate{r.ca})
	plan, err := r.objects[0].look(t.Context())
	if err != nil || plan.Write == nil {
		t.Fatalf("nothing is planned: %+v, %v", plan, err)
	}
	if plan.Spread < 10*time.Millisecond || plan.Spread > 100*time.Millisecond {
		t.Errorf("patches are spread over %s", plan.Spread)
	}
}

// run starts the reconciler in a bubble, wants its CA, and returns after so much
// of the bubble's time.
func run(t *testing.T, r *rig, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	r.Want([]*x509.Certificate{r.ca})
	go func() { done <- r.Run(ctx) }()
	time.Sleep(d)
	synctest.Wait()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// Somebody undoes every repair at once: twenty are made without a pause, then two
// in a second.
func TestHowOftenAFightIsFought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config("1", nil, nil))
		tried := 0
		r.client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			tried++
			return true, config("1", nil, nil), nil
		})
		run(t, r, time.Minute)
		if tried < 120 || tried > 145 {
			t.Errorf("patched %d times in a minute, want about 20 and 2 in a second", tried)
		}
	})
}

// A gap in what the API servers trusted cannot be excluded without a watch.
func TestTrustHasNoBeginningWhileTheWatchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config("1", nil, nil))
		run(t, r, 5*time.Second)
		if r.Since(r.ca).IsZero() {
			t.Error("the watch works, and nothing is trusted")
		}
	})

	// Not in a bubble: client-go's pauses after errors are the process's.
	r := newRig(t, config("1", nil, nil))
	r.client.PrependWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{}, "injector", errors.New("no rule"))
	})
	r.start(t)
	r.Want([]*x509.Certificate{r.ca})
	eventually(t, "a CA that is there and not trusted", func() bool {
		cas, known := r.Live()
		return known && len(cas) == 1 && r.Since(r.ca).IsZero()
	})
}

func TestARightCaBundleIsNotPatched(t *testing.T) {
	r := newRig(t)
	r.Want([]*x509.Certificate{r.ca})
	if err := r.client.Tracker().Add(config("1", nil, text(r.ca))); err != nil {
		t.Fatal(err)
	}
	plan, err := r.objects[0].look(t.Context())
	if err != nil || plan.Write != nil || len(r.Pending()) != 0 {
		t.Errorf("planned: %+v, %v, pending %q", plan, err, r.Pending())
	}
}

// Sync goes on when somebody else was first, and gives up when the API server
// refuses.
func TestSyncAfterAPatchThatFails(t *testing.T) {
	resource := schema.GroupResource{Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations"}
	for name, tc := range map[string]struct {
		err   error
		tries int
		fails bool
	}{
		"conflict":  {apierrors.NewConflict(resource, "injector", nil), 2, false},
		"not found": {apierrors.NewNotFound(resource, "injector"), 2, false},
		"forbidden": {apierrors.NewForbidden(resource, "injector", errors.New("no rule")), 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, config("1", nil, nil))
			r.Want([]*x509.Certificate{r.ca})
			tries := 0
			r.client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
				tries++
				return tries == 1, nil, tc.err
			})
			err := r.Sync(t.Context())
			if (err != nil) != tc.fails || tries != tc.tries {
				t.Errorf("%d tries, %v", tries, err)
			}
			if cas, _ := r.Live(); (len(cas) == 1) == tc.fails {
				t.Errorf("the caBundle holds %d CAs", len(cas))
			}
		})
	}
}
