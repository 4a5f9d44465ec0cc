package webhookcfg

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// Options are what a Reconciler works with. All but Ours are needed.
type Options struct {
	// Client needs get, list, watch and patch on the named configurations.
	Client Configurations
	// Configs and Webhooks name the configurations, and the entries in them, whose
	// caBundle is kept right.
	Configs, Webhooks []string
	// Observe only looks: nothing is patched.
	Observe bool
	// Ours tells CAs that this installation made; nil: none.
	Ours func(*x509.Certificate) bool
	// PruneDelay is how long an earlier CA of ours must have been unwanted before
	// it is removed. Another replica may still want it: it learns of a change of
	// the Secret a little later.
	PruneDelay time.Duration
	Clock      clock.Clock
	Rand       func() float64 // uniform in [0,1)
	Log        *slog.Logger
	Recorder   Recorder
}

// Configurations are the cluster's webhook configurations; clients of client-go
// fit.
type Configurations interface {
	kube.Lister[*admissionv1.MutatingWebhookConfigurationList]
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*admissionv1.MutatingWebhookConfiguration, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (*admissionv1.MutatingWebhookConfiguration, error)
}

// Recorder is told what happens, for metrics. Implementations are safe for
// concurrent use and do not block.
type Recorder interface {
	// Healed counts a repair of what ("cabundle").
	Healed(what string)
	// WriteFailed counts a patch of what ("cabundle") that failed.
	WriteFailed(what string)
}

const (
	// jitter spreads replicas that see the same event. It is short because until
	// the first one's patch no pod can be admitted.
	jitter = 50 * time.Millisecond
	// The first and the last pause after a patch that failed.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 10 * time.Second
	// callTimeout bounds one call of the API server.
	callTimeout = 10 * time.Second
	// Somebody may overwrite every repair at once. So many repairs are made without
	// a pause, enough for any upgrade, then two per second.
	healBurst = 20
	healRate  = 2
)

// Reconciler keeps caBundles right. It is safe for concurrent use.
type Reconciler struct {
	*live
	o       Options
	trouble *trouble.Log
	wake    chan struct{}
	changed chan struct{}
	limiter *rate.Limiter

	mu       sync.Mutex
	want     []*x509.Certificate
	unwanted map[string]time.Time // key: the certificate's bytes; since when
	due      map[string]time.Time // key: configuration; when the next patch may be sent
	backoff  map[string]time.Duration
	back     atomic.Bool
	// healing makes one patch at a time.
	healing sync.Mutex
}

// New returns a Reconciler that wants nothing yet.
func New(o Options) (*Reconciler, error) {
	if len(o.Configs) == 0 || len(o.Webhooks) == 0 || slices.Contains(o.Configs, "") || slices.Contains(o.Webhooks, "") {
		return nil, errors.New("name of the webhook configuration or of the webhook is empty: set --webhookConfigName and --webhookName")
	}
	if o.Ours == nil {
		o.Ours = func(*x509.Certificate) bool { return false }
	}
	return &Reconciler{
		live: newLive(o.Configs, o.Webhooks), o: o, trouble: trouble.New(o.Log, o.Clock),
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		limiter:  rate.NewLimiter(healRate, healBurst),
		unwanted: map[string]time.Time{}, due: map[string]time.Time{}, backoff: map[string]time.Duration{},
	}, nil
}

// Want names the CAs that the caBundles must hold from now on.
func (r *Reconciler) Want(cas []*x509.Certificate) {
	r.mu.Lock()
	same := slices.EqualFunc(r.want, cas, (*x509.Certificate).Equal)
	r.want = cas
	r.mu.Unlock()
	if !same {
		poke(r.wake)
	}
}

// Troubles names what is wrong with the configurations now, as the log names it.
func (r *Reconciler) Troubles() []string { return r.trouble.Open() }

// Changed receives after Live may have changed.
func (r *Reconciler) Changed() <-chan struct{} { return r.changed }

// Run follows the configurations and mends them until ctx ends, and then returns
// nil.
func (r *Reconciler) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	for _, name := range r.o.Configs {
		watching.Go(func() { r.follow(ctx, name) })
	}
	timer := r.o.Clock.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := r.pass(ctx)
		timer.Stop()
		var fire <-chan time.Time
		if !next.IsZero() {
			timer = r.o.Clock.NewTimer(max(0, next.Sub(r.o.Clock.Now())))
			fire = timer.C()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-fire:
		}
	}
}

func (r *Reconciler) follow(ctx context.Context, name string) {
	what := "webhook configuration " + name
	existed := false
	kube.Follow(ctx, r.o.Client, name,
		func(config *admissionv1.MutatingWebhookConfiguration, exists bool) {
			switch {
			case exists:
				r.trouble.Clear("webhook-deleted " + name)
			case existed:
				// Helm installs it last, so one that is not there yet is no trouble.
				r.trouble.Report("webhook-deleted "+name, what+" was deleted: no pod is injected until it is there again, which helm upgrade sees to")
				config = nil
			default:
				config = nil
			}
			existed = existed || exists
			r.observe(name, config)
		},
		func(err error) {
			if r.watching(name, err == nil, r.o.Clock.Now()) {
				// The API server answers again: what failed meanwhile is not to wait on.
				r.back.Store(true)
				poke(r.wake)
			}
			poke(r.changed)
			if err == nil {
				r.trouble.Clear("webhook-watch")
				return
			}
			r.trouble.Report("webhook-watch", (&kube.Error{Verb: "watch", Object: what, Err: err}).Error())
		})
}

func (r *Reconciler) observe(name string, config *admissionv1.MutatingWebhookConfiguration) {
	if r.live.observe(name, config, r.o.Clock.Now()) {
		poke(r.changed)
		poke(r.wake)
	}
}

// Sync reads every configuration, mends it and reads it back, once. It is for a
// process that does not Run. A configuration that does not exist is no error.
func (r *Reconciler) Sync(ctx context.Context) error {
	var errs []error
	for _, name := range r.o.Configs {
		errs = append(errs, r.syncOne(ctx, name))
	}
	return errors.Join(errs...)
}

func (r *Reconciler) syncOne(ctx context.Context, name string) error {
	for {
		if err := r.read(ctx, name); err != nil {
			return err
		}
		config, plan := r.plan(name, r.o.Clock.Now())
		if len(plan.bundles) == 0 || r.o.Observe {
			return nil // right, and just read
		}
		if err := r.limiter.Wait(ctx); err != nil {
			return err
		}
		if err := r.send(ctx, config, plan); err != nil && !lost(err) {
			return &kube.Error{Verb: "patch", Object: "webhook configuration " + name, Err: err}
		}
	}
}

// Pending says what would be patched now, one sentence per configuration.
func (r *Reconciler) Pending() []string {
	var out []string
	for _, name := range r.o.Configs {
		if config, plan := r.plan(name, r.o.Clock.Now()); config != nil && len(plan.bundles) > 0 {
			out = append(out, fmt.Sprintf("set caBundle of webhook configuration %s, then of %d CA certificate(s), because %s", name, plan.count, plan.reason))
		}
	}
	return out
}

func (r *Reconciler) read(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	config, err := r.o.Client.Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil:
		r.observe(name, config)
	case apierrors.IsNotFound(err):
		r.observe(name, nil)
	default:
		return &kube.Error{Verb: "get", Object: "webhook configuration " + name, Err: err}
	}
	return nil
}

// send patches and takes in the answer.
func (r *Reconciler) send(ctx context.Context, config *admissionv1.MutatingWebhookConfiguration, plan plan) error {
	body, err := patch(config, plan.bundles)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stored, err := r.o.Client.Patch(ctx, config.Name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: "istio-sidecar-injector"})
	if err != nil {
		if !lost(err) {
			r.o.Recorder.WriteFailed("cabundle")
		}
		return err
	}
	r.o.Recorder.Healed("cabundle")
	r.o.Log.Info("caBundle set", "webhookConfiguration", config.Name, "cas", plan.count, "reason", plan.reason)
	if current, _ := r.get(config.Name); current != nil {
		// Else the watch has told of its end in the meantime, which is the later news.
		r.observe(config.Name, stored)
	}
	return nil
}

// lost reports whether the object had changed since it was read, which shows as a
// failed test in the patch.
func lost(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
