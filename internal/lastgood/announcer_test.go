package lastgood

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// events is where Events are stored.
type events struct {
	mu      sync.Mutex
	err     error
	stored  map[string]*corev1.Event
	order   []string // of reasons
	patches []string
	calls   int
}

func (e *events) Create(_ context.Context, event *corev1.Event, _ metav1.CreateOptions) (*corev1.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if e.err != nil {
		return nil, e.err
	}
	if e.stored[event.Name] != nil {
		return nil, apierrors.NewAlreadyExists(schema.GroupResource{Resource: "events"}, event.Name)
	}
	if e.stored == nil {
		e.stored = map[string]*corev1.Event{}
	}
	e.stored[event.Name] = event
	e.order = append(e.order, event.Reason)
	return event, nil
}

func (e *events) Patch(_ context.Context, _ string, _ types.PatchType, body []byte, _ metav1.PatchOptions, _ ...string) (*corev1.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.patches = append(e.patches, string(body))
	return nil, nil
}

func saying(reason, subject string) Event {
	return Event{
		About: corev1.ObjectReference{Kind: "ConfigMap", APIVersion: "v1", Namespace: "ns", Name: "inject", UID: "1"},
		Type:  corev1.EventTypeWarning, Reason: reason, Subject: subject, Message: "line one\nline two " + strings.Repeat("x", 2000),
	}
}

// announce runs announcers that share the events.
func announce(t *testing.T, n int, test func(t *testing.T, e *events, all []*Announcer, troubles *trouble.Log, log *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		e, log := &events{}, &bytes.Buffer{}
		troubles := trouble.New(slog.New(slog.NewTextHandler(log, nil)), clock.RealClock{})
		var all []*Announcer
		for range n {
			a := NewAnnouncer(e, clock.RealClock{}, troubles)
			running.Go(func() {
				if err := a.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			all = append(all, a)
		}
		test(t, e, all, troubles, log)
		cancel()
		running.Wait()
	})
}

func TestReplicasHaveOneEventTogether(t *testing.T) {
	announce(t, 3, func(t *testing.T, e *events, all []*Announcer, _ *trouble.Log, _ *bytes.Buffer) {
		for _, a := range all {
			a.Say(saying("Refused", "digest"))
		}
		synctest.Wait()
		all[0].Say(saying("InForce", "hash"))
		synctest.Wait()
		if fmt.Sprint(e.order) != "[Refused InForce]" || len(e.patches) != 2 || !strings.Contains(e.patches[0], "lastTimestamp") {
			t.Errorf("events %s, patches %s", e.order, e.patches)
		}
		for name, event := range e.stored {
			if !strings.HasPrefix(name, "inject.") || event.Namespace != "ns" || event.InvolvedObject.UID != "1" || len(event.Message) > maxMessage || strings.Contains(event.Message, "\n") || event.LastTimestamp.IsZero() {
				t.Errorf("event %+v", event)
			}
		}
	})
}

func TestEventsWaitForTheAPIServer(t *testing.T) {
	for name, err := range map[string]error{
		"away":     apierrors.NewServiceUnavailable("away"),
		"no right": apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", errors.New("no")),
	} {
		t.Run(name, func(t *testing.T) {
			announce(t, 1, func(t *testing.T, e *events, all []*Announcer, troubles *trouble.Log, log *bytes.Buffer) {
				e.err = err
				for i := range 10 {
					all[0].Say(saying(fmt.Sprint("Reason", i), ""))
				}
				time.Sleep(time.Hour)
				if fmt.Sprint(troubles.Open()) != "["+eventsTrouble+"]" || e.calls > 70 || !strings.Contains(log.String(), "create events in namespace ns") {
					t.Errorf("troubles %q after %d calls:\n%s", troubles.Open(), e.calls, log)
				}
				e.mu.Lock()
				e.err = nil
				e.mu.Unlock()
				time.Sleep(maxPause)
				synctest.Wait()
				if len(troubles.Open()) > 0 || len(e.order) > maxWaiting+1 || e.order[len(e.order)-1] != "Reason9" {
					t.Errorf("troubles %q, events %q", troubles.Open(), e.order)
				}
			})
		})
	}
}

// An Event that the API server does not take as it is does not hold up the next one.
func TestAnEventThatIsRefused(t *testing.T) {
	announce(t, 1, func(t *testing.T, e *events, all []*Announcer, troubles *trouble.Log, _ *bytes.Buffer) {
		e.err = apierrors.NewInvalid(schema.GroupKind{Kind: "Event"}, "x", nil)
		all[0].Say(saying("Refused", ""))
		synctest.Wait()
		if len(troubles.Open()) != 1 || e.calls != 1 {
			t.Errorf("troubles %q after %d calls", troubles.Open(), e.calls)
		}
		e.mu.Lock()
		e.err = nil
		e.mu.Unlock()
		all[0].Say(saying("InForce", ""))
		synctest.Wait()
		if len(troubles.Open()) > 0 || fmt.Sprint(e.order) != "[InForce]" {
			t.Errorf("troubles %q, events %q", troubles.Open(), e.order)
		}
	})
}

func TestTheNameOfAnEventHasRoom(t *testing.T) {
	e := saying("Refused", "x")
	e.About.Name = strings.Repeat("n", 253)
	if n := len(e.name()); n > 253 {
		t.Errorf("%d bytes", n)
	}
}
