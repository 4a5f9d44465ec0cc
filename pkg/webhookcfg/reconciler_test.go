package webhookcfg

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clientadmissionv1 "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// The rules of the real API server (versions, refused patches, watches over a
// restart) are tested with a real one, in test/heal. Here the client is a fake,
// for what a real one does not do on command.

type listless struct {
	clientadmissionv1.MutatingWebhookConfigurationInterface
}

// IsWatchListSemanticsUnSupported tells client-go that the fake only knows list,
// then watch.
func (listless) IsWatchListSemanticsUnSupported() bool { return true }

type counts struct{ healed, failed atomic.Int32 }

func (c *counts) Healed(string)      { c.healed.Add(1) }
func (c *counts) WriteFailed(string) { c.failed.Add(1) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

type rig struct {
	*Reconciler
	client *fake.Clientset
	api    clientadmissionv1.MutatingWebhookConfigurationInterface
	counts counts
	log    lockedBuffer
	ca     *x509.Certificate
}

func newRig(t *testing.T, objects ...runtime.Object) *rig {
	t.Helper()
	r := &rig{client: fake.NewClientset(objects...)}
	// The fake leaves versions alone: give each object that is written the next one.
	var version atomic.Int64
	version.Store(100)
	for _, verb := range []string{"update", "create"} {
		r.client.PrependReactor(verb, "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
			obj := action.(interface{ GetObject() runtime.Object }).GetObject().(metav1.Object)
			obj.SetResourceVersion(strconv.FormatInt(version.Add(1), 10))
			return false, nil, nil
		})
	}
	r.api = r.client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	var err error
	r.Reconciler, err = New(Options{
		Client: listless{r.api}, Configs: []string{"injector"}, Webhooks: []string{"sidecar-injector.istio.io"},
		Ours: subject.Is, PruneDelay: time.Hour, Clock: clock.RealClock{}, Rand: func() float64 { return 0.1 },
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Recorder: &r.counts,
	})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.NewCA(pki.CARequest{Subject: subject, Validity: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.ca = pair.Cert
	return r
}

func (r *rig) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (r *rig) bundle(t *testing.T) []byte {
	t.Helper()
	c, err := r.api.Get(t.Context(), "injector", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.Webhooks[1].ClientConfig.CABundle
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestHealsWhatever(t *testing.T) {
	r := newRig(t, config("1", []byte("theirs"), nil))
	r.start(t)
	right := func() bool { return bytes.Equal(r.bundle(t), text(r.ca)) }
	r.Want([]*x509.Certificate{r.ca})
	eventually(t, "caBundle is set", right)

	for what, write := range map[string]func() error{
		"emptied": func() error {
			_, err := r.api.Update(t.Context(), config("", []byte("theirs"), nil), metav1.UpdateOptions{})
			return err
		},
		"rubbish": func() error {
			_, err := r.api.Update(t.Context(), config("", []byte("theirs"), []byte("rubbish")), metav1.UpdateOptions{})
			return err
		},
		"deleted and created": func() error {
			if err := r.api.Delete(t.Context(), "injector", metav1.DeleteOptions{}); err != nil {
				return err
			}
			eventually(t, "seen as gone", func() bool { _, known := r.Live(); return !known })
			again := config("", []byte("theirs"), nil)
			again.UID = "u-2"
			_, err := r.api.Create(t.Context(), again, metav1.CreateOptions{})
			return err
		},
	} {
		healed := r.counts.healed.Load()
		if err := write(); err != nil {
			t.Fatal(err)
		}
		eventually(t, what+" is healed", func() bool { return right() && r.counts.healed.Load() > healed })
	}
	c, err := r.api.Get(t.Context(), "injector", metav1.GetOptions{})
	if err != nil || string(c.Webhooks[0].ClientConfig.CABundle) != "theirs" {
		t.Errorf("the other entry was touched: %q, %v", c.Webhooks[0].ClientConfig.CABundle, err)
	}
}

func TestPatchErrors(t *testing.T) {
	resource := schema.GroupResource{Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations"}
	for name, tt := range map[string]struct {
		err    error
		others bool   // somebody else changes the object at each try
		says   string // "" : silent
		fails  bool   // counted as a failure
	}{
		"no permission": {apierrors.NewForbidden(resource, "injector", errors.New("no rule")), false, "not allowed to patch webhook configuration injector", true},
		"away":          {apierrors.NewServiceUnavailable("restarting"), false, "because the API server does not answer", true},
		"lost a race":   {apierrors.NewInvalid(schema.GroupKind{}, "injector", nil), true, "", false},
		"refused":       {apierrors.NewInvalid(schema.GroupKind{}, "injector", nil), false, "cannot patch webhook configuration injector", true},
		"conflict":      {apierrors.NewConflict(resource, "injector", nil), false, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, config("1", nil, nil))
			var tries, broken atomic.Int32
			broken.Store(3)
			r.client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
				n := tries.Add(1)
				if broken.Add(-1) < 0 {
					return false, nil, nil
				}
				if tt.others {
					other := config("", nil, nil)
					other.Annotations = map[string]string{"n": strconv.Itoa(int(n))}
					other.ResourceVersion = strconv.Itoa(1000 + int(n)) // the tracker gets it, not the reactors
					if err := r.client.Tracker().Update(admissionv1.SchemeGroupVersion.WithResource(resource.Resource), other, ""); err != nil {
						t.Error(err)
					}
				}
				return true, nil, tt.err
			})
			r.start(t)
			r.Want([]*x509.Certificate{r.ca})
			eventually(t, "set after three failures", func() bool { return bytes.Equal(r.bundle(t), text(r.ca)) })
			if tries.Load() != 4 {
				t.Errorf("%d tries, want 4", tries.Load())
			}
			if (r.counts.failed.Load() == 3) != tt.fails {
				t.Errorf("%d failures counted", r.counts.failed.Load())
			}
			eventually(t, "the log", func() bool {
				return (tt.says == "") == (r.log.count("level=WARN") == 0) && r.log.count(tt.says) > 0
			})
			if tt.says != "" && r.log.count(tt.says) != 1 {
				t.Errorf("said %d times: %s", r.log.count(tt.says), r.log.b.String())
			}
		})
	}
}

// Whoever overwrites every repair does not drive the reconciler into a loop as
// fast as the API server allows.
func TestFight(t *testing.T) {
	r := newRig(t, config("1", nil, nil))
	r.start(t)
	r.Want([]*x509.Certificate{r.ca})
	deadline := time.Now().Add(2 * time.Second)
	for time.Now().Before(deadline) {
		if len(r.bundle(t)) > 0 {
			if _, err := r.api.Update(t.Context(), config("", nil, nil), metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Millisecond)
	}
	if n := r.counts.healed.Load(); n > healBurst+2*healRate+1 {
		t.Errorf("%d patches in two seconds", n)
	}
	if r.log.count("somebody keeps changing the caBundle") != 1 {
		t.Errorf("the fight is said %d times", r.log.count("somebody keeps changing"))
	}
	eventually(t, "peace", func() bool { return bytes.Equal(r.bundle(t), text(r.ca)) })
}

func TestSaysWhatIsStrange(t *testing.T) {
	foreign := ca(t, pki.Subject{CommonName: "cert-manager"}, 0, 100*365*24*time.Hour)
	r := newRig(t, config("1", nil, text(foreign)))
	r.start(t)
	r.Want([]*x509.Certificate{r.ca})
	eventually(t, "foreign CA said", func() bool { return r.log.count("of somebody else; it is kept until") == 1 })
	eventually(t, "both there", func() bool { cas, _ := pki.ScanBundle(r.bundle(t)); return len(cas) == 2 })

	lost := newRig(t, config("1", nil))
	lost.start(t)
	lost.Want([]*x509.Certificate{lost.ca})
	eventually(t, "entry missing said", func() bool { return lost.log.count("has no entry named sidecar-injector.istio.io, only") == 1 })
}

func TestSaysThatTheConfigurationWasDeleted(t *testing.T) {
	r := newRig(t)
	r.start(t)
	r.Want([]*x509.Certificate{r.ca})
	// One that is not there yet is what every installation begins with.
	create := func() {
		t.Helper()
		if _, err := r.api.Create(t.Context(), config("", nil, nil), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "caBundle is set", func() bool { return bytes.Equal(r.bundle(t), text(r.ca)) })
	}
	create()
	if n := r.log.count("was deleted"); n != 0 {
		t.Errorf("said %d times that it was deleted before it was", n)
	}
	if err := r.api.Delete(t.Context(), "injector", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "deletion said", func() bool { return r.log.count("webhook configuration injector was deleted: no pod is injected") == 1 })
	create()
	eventually(t, "its end said", func() bool { return r.log.count("trouble is over") == 1 })
}

func TestPrunesAnEarlierCA(t *testing.T) {
	old := func() *x509.Certificate {
		pair, err := pki.NewCA(pki.CARequest{Subject: subject, Validity: time.Hour}, time.Now().Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return pair.Cert
	}()
	r := newRig(t, config("1", nil, text(old)))
	r.o.PruneDelay = 300 * time.Millisecond
	begin := time.Now()
	r.start(t)
	r.Want([]*x509.Certificate{r.ca})
	eventually(t, "both there", func() bool { cas, _ := pki.ScanBundle(r.bundle(t)); return len(cas) == 2 })
	eventually(t, "the old one gone", func() bool { return bytes.Equal(r.bundle(t), text(r.ca)) })
	if took := time.Since(begin); took < r.o.PruneDelay {
		t.Errorf("pruned after %s", took)
	}
}

func TestSync(t *testing.T) {
	r := newRig(t, config("1", nil, nil))
	r.Want([]*x509.Certificate{r.ca})
	if p := strings.Join(r.Pending(), ""); p != "" {
		t.Errorf("pending before anything is read: %s", p)
	}
	r.o.Observe = true
	if err := r.Sync(t.Context()); err != nil || len(r.bundle(t)) != 0 {
		t.Fatalf("an observer patched, or failed: %v", err)
	}
	if p := strings.Join(r.Pending(), ""); !strings.Contains(p, "set caBundle of webhook configuration injector") {
		t.Errorf("pending %q", p)
	}
	r.o.Observe = false
	if err := r.Sync(t.Context()); err != nil || !bytes.Equal(r.bundle(t), text(r.ca)) {
		t.Errorf("not set: %v", err)
	}
	none := newRig(t)
	if err := none.Sync(t.Context()); err != nil {
		t.Errorf("no configuration is an error: %v", err)
	}
	broken := newRig(t, config("1", nil, nil))
	broken.client.PrependReactor("get", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "x"}, "injector", errors.New("no rule"))
	})
	if err := broken.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), "not allowed to get webhook configuration injector") {
		t.Errorf("got %v", err)
	}
}

func TestNewNeedsNames(t *testing.T) {
	for _, o := range []Options{{}, {Configs: []string{""}, Webhooks: []string{"x"}}, {Configs: []string{"x"}}} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "--webhookConfigName") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
