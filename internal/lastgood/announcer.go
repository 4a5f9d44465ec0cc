package lastgood

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

const (
	// component is who tells, in the column FROM of kubectl describe.
	component = "sidecar-injector"
	// maxMessage is the length of an Event's message, in bytes: what Kubernetes takes.
	maxMessage = 1024
	// maxAbout is how much of the ConfigMap's name is in the Event's, which has 253 bytes.
	maxAbout = 230
	// maxWaiting is how many Events wait for the API server. A refusal and its end are
	// two, and of more the newest count.
	maxWaiting = 4
	// eventTime bounds one call.
	eventTime = 10 * time.Second
	// The first and the longest pause after a call that failed.
	minPause = time.Second
	maxPause = time.Minute
)

// eventsTrouble names in logs and metrics that Events cannot be written.
const eventsTrouble = "events"

// Events creates and patches Events of one namespace.
type Events interface {
	Create(ctx context.Context, event *corev1.Event, opts metav1.CreateOptions) (*corev1.Event, error)
	Patch(ctx context.Context, name string, kind types.PatchType, body []byte, opts metav1.PatchOptions, subresources ...string) (*corev1.Event, error)
}

// Event is something to tell about an object.
type Event struct {
	// About is the ConfigMap that it is about; its UID may be empty.
	About corev1.ObjectReference
	// Type is corev1.EventTypeNormal or corev1.EventTypeWarning.
	Type string
	// Reason is one word in camel case.
	Reason string
	// Subject tells Events of one reason apart: several replicas, and one that says the
	// same later, have one Event together.
	Subject string
	Message string
}

// Announcer writes Events, one after the other, each until it succeeds. Its methods
// are safe for concurrent use, and none waits.
type Announcer struct {
	client  Events
	clock   clock.Clock
	trouble *trouble.Log

	mu      sync.Mutex
	waiting []Event
	wake    chan struct{}
}

// NewAnnouncer returns an Announcer that writes with client.
func NewAnnouncer(client Events, c clock.Clock, troubles *trouble.Log) *Announcer {
	return &Announcer{client: client, clock: c, trouble: troubles, wake: make(chan struct{}, 1)}
}

// Say has an Event written.
func (a *Announcer) Say(e Event) {
	a.mu.Lock()
	a.waiting = append(a.waiting, e)
	if more := len(a.waiting) - maxWaiting; more > 0 {
		a.waiting = a.waiting[more:]
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default: // it is looking already
	}
}

// take returns the next Event; false: there is none.
func (a *Announcer) take() (Event, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		return Event{}, false
	}
	e := a.waiting[0]
	a.waiting = a.waiting[1:]
	return e, true
}

// Run writes until ctx ends, and then returns nil.
func (a *Announcer) Run(ctx context.Context) error {
	for {
		e, ok := a.take()
		if ok {
			a.write(ctx, e)
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		}
	}
}

// write tries until it succeeds. An API server that refuses the Event as such has a
// reason that will not end, and so it is left.
func (a *Announcer) write(ctx context.Context, e Event) {
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		err := a.post(ctx, e)
		if err == nil || ctx.Err() != nil {
			a.trouble.Clear(eventsTrouble)
			return
		}
		err = &kube.Error{Verb: "create", Object: "events in namespace " + e.About.Namespace, Err: err}
		a.trouble.Report(eventsTrouble, err.Error()+"; the log and the metrics say what the event would")
		if kube.Classify(err) == kube.Refused || kube.Classify(err) == kube.NotFound {
			return
		}
		timer := a.clock.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C():
		}
		timer.Stop()
	}
}

// post creates the Event, or brings the one that is there up to date.
func (a *Announcer) post(ctx context.Context, e Event) error {
	ctx, cancel := context.WithTimeout(ctx, eventTime)
	defer cancel()
	now := metav1.NewTime(a.clock.Now().Truncate(time.Second))
	event := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: e.About.Namespace, Name: e.name()},
		InvolvedObject: e.About, Type: e.Type, Reason: e.Reason, Message: cut.Line(e.Message, maxMessage),
		Source: corev1.EventSource{Component: component}, ReportingController: component,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	_, err := a.client.Create(ctx, event, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	patch, err := json.Marshal(map[string]any{"lastTimestamp": now, "message": event.Message})
	if err != nil {
		return err
	}
	_, err = a.client.Patch(ctx, event.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// name is the same for all who tell the same.
func (e Event) name() string {
	sum := sha256.Sum256([]byte(e.Reason + "\n" + e.Subject))
	return e.About.Name[:min(len(e.About.Name), maxAbout)] + "." + hex.EncodeToString(sum[:8])
}
