package webhookcfg

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/control"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// cluster is an API server with webhook configurations, in a synctest bubble. It
// has the real one's rules of versions, generations, patches and watches, and it
// fails and hangs on command.
type cluster struct {
	mu      sync.Mutex
	objects map[string]*admissionv1.MutatingWebhookConfiguration
	version int
	patches map[string]int // that were tried
	watches map[string][]*watch.RaceFreeFakeWatcher
	fail    func(verb, name string) error
	hang    func(verb, name string) bool
}

var resource = schema.GroupResource{Group: admissionv1.GroupName, Resource: "mutatingwebhookconfigurations"}

func newCluster(configs ...*admissionv1.MutatingWebhookConfiguration) *cluster {
	c := &cluster{
		objects: map[string]*admissionv1.MutatingWebhookConfiguration{}, version: 100,
		patches: map[string]int{}, watches: map[string][]*watch.RaceFreeFakeWatcher{},
	}
	for _, config := range configs {
		c.put(config)
	}
	return c
}

// named is a configuration with one entry of ours.
func named(name string, bundle []byte) *admissionv1.MutatingWebhookConfiguration {
	c := config("", nil, bundle)
	c.Name, c.UID = name, types.UID("uid of "+name)
	return c
}

// put stores a configuration with the next version.
func (c *cluster) put(config *admissionv1.MutatingWebhookConfiguration) *admissionv1.MutatingWebhookConfiguration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store(config.DeepCopy())
}

func (c *cluster) store(config *admissionv1.MutatingWebhookConfiguration) *admissionv1.MutatingWebhookConfiguration {
	c.version++
	config.ResourceVersion = strconv.Itoa(c.version)
	event := watch.Added
	if old := c.objects[config.Name]; old != nil {
		event = watch.Modified
		config.Generation = old.Generation + 1
	}
	c.objects[config.Name] = config
	c.tell(event, config)
	return config.DeepCopy()
}

func (c *cluster) tell(event watch.EventType, config *admissionv1.MutatingWebhookConfiguration) {
	for _, w := range c.watches[config.Name] {
		w.Action(event, config.DeepCopy())
	}
}

func (c *cluster) remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	config := c.objects[name]
	delete(c.objects, name)
	c.tell(watch.Deleted, config)
}

// before fails or hangs a call on command.
func (c *cluster) before(ctx context.Context, verb, name string) error {
	c.mu.Lock()
	fail, hang := c.fail, c.hang
	c.mu.Unlock()
	if hang != nil && hang(verb, name) {
		<-ctx.Done()
		return ctx.Err()
	}
	if fail != nil {
		return fail(verb, name)
	}
	return nil
}

func (c *cluster) refuse(fail func(verb, name string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = fail
}

func (c *cluster) IsWatchListSemanticsUnSupported() bool { return true }

func (c *cluster) List(ctx context.Context, opts metav1.ListOptions) (*admissionv1.MutatingWebhookConfigurationList, error) {
	name := strings.TrimPrefix(opts.FieldSelector, "metadata.name=")
	if err := c.before(ctx, "list", name); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list := &admissionv1.MutatingWebhookConfigurationList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(c.version)}}
	if config := c.objects[name]; config != nil {
		list.Items = append(list.Items, *config.DeepCopy())
	}
	return list, nil
}

func (c *cluster) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	name := strings.TrimPrefix(opts.FieldSelector, "metadata.name=")
	if err := c.before(ctx, "watch", name); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := watch.NewRaceFreeFake()
	c.watches[name] = append(c.watches[name], w)
	return w, nil
}

func (c *cluster) Get(ctx context.Context, name string, _ metav1.GetOptions) (*admissionv1.MutatingWebhookConfiguration, error) {
	if err := c.before(ctx, "get", name); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if config := c.objects[name]; config != nil {
		return config.DeepCopy(), nil
	}
	return nil, apierrors.NewNotFound(resource, name)
}

func (c *cluster) Patch(ctx context.Context, name string, _ types.PatchType, body []byte, _ metav1.PatchOptions, _ ...string) (*admissionv1.MutatingWebhookConfiguration, error) {
	c.mu.Lock()
	c.patches[name]++
	c.mu.Unlock()
	if err := c.before(ctx, "patch", name); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	config := c.objects[name]
	if config == nil {
		return nil, apierrors.NewNotFound(resource, name)
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	decoded, err := jsonpatch.DecodePatch(body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if text, err = decoded.Apply(text); err != nil {
		return nil, apierrors.NewGenericServerResponse(422, "patch", resource, name, err.Error(), 0, false)
	}
	patched := &admissionv1.MutatingWebhookConfiguration{}
	if err := json.Unmarshal(text, patched); err != nil {
		return nil, err
	}
	return c.store(patched), nil
}

// bundle is the caBundle of a configuration's entry of ours.
func (c *cluster) bundle(name string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.objects[name].Webhooks[1].ClientConfig.CABundle
}

type bubbleRig struct {
	*Reconciler
	*cluster
	counts counts
	log    lockedBuffer
	ca     *x509.Certificate
}

// inBubble runs a Reconciler of the configurations a and b, which wants one CA,
// and a test of it.
func inBubble(t *testing.T, c func() *cluster, test func(t *testing.T, r *bubbleRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &bubbleRig{cluster: c()}
		var err error
		r.Reconciler, err = New(Options{
			Client: r.cluster, Configs: []string{"a", "b"}, Webhooks: []string{"sidecar-injector.istio.io"},
			Ours: subject.Is, PruneDelay: time.Hour, Clock: clock.RealClock{}, Rand: func() float64 { return 0.1 },
			Log: slog.New(slog.NewTextHandler(&r.log, nil)), Recorder: &r.counts,
		})
		if err != nil {
			t.Fatal(err)
		}
		pair, err := pki.NewCA(pki.CARequest{Subject: subject, Validity: 1000 * time.Hour}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r.ca = pair.Cert
		r.Want([]*x509.Certificate{r.ca})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := r.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		time.Sleep(spread)
		synctest.Wait()
		test(t, r)
		cancel()
		<-done
		time.Sleep(2 * time.Minute) // what sleeps without looking at ctx ends
	})
}

func (r *bubbleRig) right(t *testing.T, name, when string) {
	t.Helper()
	if !bytes.Equal(r.bundle(name), text(r.ca)) {
		cas, rubbish := pki.ScanBundle(r.bundle(name))
		t.Errorf("%s: the caBundle of %s holds %d CAs, rubbish %v", when, name, len(cas), rubbish)
	}
}

func two() *cluster { return newCluster(named("a", nil), named("b", nil)) }

func TestNothingIsPatchedWhenAllIsRight(t *testing.T) {
	inBubble(t, two, func(t *testing.T, r *bubbleRig) {
		for range 60 {
			time.Sleep(time.Minute)
			other := r.copyOf("a")
			other.Annotations = map[string]string{"at": time.Now().String()}
			r.put(other)
		}
		if r.patches["a"] != 1 || r.patches["b"] != 1 {
			t.Errorf("patches %v, want one each", r.patches)
		}
		r.right(t, "a", "after an hour")
	})
}

// copyOf is a copy of a configuration as it is.
func (c *cluster) copyOf(name string) *admissionv1.MutatingWebhookConfiguration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.objects[name].DeepCopy()
}

// A fight over one configuration stays in its budget and does not delay another.
func TestFightOverOneOfTwo(t *testing.T) {
	inBubble(t, two, func(t *testing.T, r *bubbleRig) {
		const seconds = 60
		for i := range seconds * 20 {
			r.put(named("a", nil))
			if i%100 == 0 {
				r.put(named("b", nil))
				time.Sleep(spread)
				synctest.Wait()
				r.right(t, "b", "during the fight over a")
			}
			time.Sleep(50 * time.Millisecond)
		}
		if n, most := r.patches["a"], healBurst+(seconds+1)*healRate+1; n > most || n < healBurst {
			t.Errorf("%d patches in %d s, want at most %d", n, seconds, most)
		}
		if n := r.log.count("somebody keeps changing the caBundle of a "); n != 1 || r.log.count("the caBundle of b ") != 0 {
			t.Errorf("said %d times:\n%s", n, r.log.b.String())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		r.right(t, "a", "after the fight")
		if open := r.Troubles(); len(open) != 0 {
			t.Errorf("open are %q", open)
		}
	})
}

// A patch that hangs delays neither the other configuration nor its own for longer
// than its deadline.
func TestHungPatch(t *testing.T) {
	inBubble(t, two, func(t *testing.T, r *bubbleRig) {
		r.with(func() { r.hang = func(verb, name string) bool { return verb == "patch" && name == "a" } })
		r.put(named("a", nil))
		r.put(named("b", nil))
		time.Sleep(spread)
		synctest.Wait()
		r.right(t, "b", "while the patch of a hangs")
		time.Sleep(control.CallTimeout)
		synctest.Wait()
		if open := r.Troubles(); !slices.Equal(open, []string{"cabundle-patch"}) {
			t.Errorf("open are %q", open)
		}
		r.with(func() { r.hang = nil })
		time.Sleep(control.CallTimeout + maxBackoff)
		synctest.Wait()
		r.right(t, "a", "when patches are answered again")
		if open := r.Troubles(); len(open) != 0 {
			t.Errorf("open are %q", open)
		}
	})
}

func (c *cluster) with(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// After a restore of etcd versions begin again below what was seen.
func TestRestoreFromBackup(t *testing.T) {
	inBubble(t, two, func(t *testing.T, r *bubbleRig) {
		time.Sleep(time.Minute)
		r.with(func() { r.version = 3 })
		r.put(named("a", nil))
		time.Sleep(spread)
		synctest.Wait()
		r.right(t, "a", "after the restore")
		if since := r.Since(r.ca); time.Since(since) > spread {
			t.Errorf("the CA counts as trusted since %s before the restore", time.Since(since))
		}
	})
}

// Each trouble is said once while it lasts, though a pass a minute finds it, and
// ends with its cause, whoever removes it.
func TestTroublesEndWithTheirCause(t *testing.T) {
	forbidden := apierrors.NewForbidden(resource, "a", errors.New("no rule"))
	foreign := ca(t, pki.Subject{CommonName: "cert-manager"}, 0, 100*365*24*time.Hour)
	refused := func(verb string) func(*bubbleRig) {
		return func(r *bubbleRig) {
			r.refuse(func(v, name string) error {
				if v == verb && name == "a" {
					return forbidden
				}
				return nil
			})
			r.put(named("a", nil))
		}
	}
	for key, tt := range map[string]struct{ cause, end func(*bubbleRig) }{
		"webhook-entry": {func(r *bubbleRig) {
			c := named("a", nil)
			c.Webhooks[1].Name = "renamed"
			r.put(c)
		}, func(r *bubbleRig) { r.put(named("a", text(r.ca))) }},
		"cabundle-foreign":  {func(r *bubbleRig) { r.put(named("a", text(foreign))) }, func(r *bubbleRig) { r.put(named("a", nil)) }},
		"webhook-deleted a": {func(r *bubbleRig) { r.remove("a") }, func(r *bubbleRig) { r.put(named("a", nil)) }},
		"cabundle-patch":    {refused("patch"), func(r *bubbleRig) { r.put(named("a", text(r.ca))) }},
		"webhook-watch":     {refused("get"), func(r *bubbleRig) { r.refuse(nil) }},
	} {
		t.Run(key, func(t *testing.T) {
			inBubble(t, two, func(t *testing.T, r *bubbleRig) {
				tt.cause(r)
				time.Sleep(9 * time.Minute)
				synctest.Wait()
				if open := r.Troubles(); !slices.Equal(open, []string{key}) || r.log.count("level=WARN") != 1 {
					t.Fatalf("open are %q:\n%s", open, r.log.b.String())
				}
				tt.end(r)
				time.Sleep(time.Minute)
				synctest.Wait()
				if open := r.Troubles(); len(open) != 0 || r.log.count("trouble is over") != 1 {
					t.Errorf("open are %q afterwards:\n%s", open, r.log.b.String())
				}
				r.right(t, "a", "afterwards")
			})
		})
	}
}

// An earlier CA that was taken out and comes back stays as long as one that has
// just become unwanted: some replica may serve it again.
func TestEarlierCAThatComesBack(t *testing.T) {
	inBubble(t, two, func(t *testing.T, r *bubbleRig) {
		pair, err := pki.NewCA(pki.CARequest{Subject: subject, Validity: 1000 * time.Hour}, time.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		both := text(r.ca, pair.Cert)
		r.put(named("a", both))
		time.Sleep(30 * time.Minute)
		r.put(named("a", text(r.ca)))
		time.Sleep(time.Hour)
		r.put(named("a", both))
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if !bytes.Equal(r.bundle("a"), both) {
			t.Error("it was taken out at once")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		r.right(t, "a", "an hour after it came back")
	})
}

// A patch that the API server refuses for another reason than a lost race is said,
// and tried again with growing pauses.
func TestRefusedPatch(t *testing.T) {
	inBubble(t, two, func(t *testing.T, r *bubbleRig) {
		r.refuse(func(verb, name string) error {
			if verb == "patch" && name == "a" {
				return apierrors.NewInvalid(schema.GroupKind{Kind: "MutatingWebhookConfiguration"}, name, nil)
			}
			return nil
		})
		before := r.patches["a"]
		r.put(named("a", nil))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := r.patches["a"] - before; n > 45 || n < 20 {
			t.Errorf("%d tries in five minutes", n)
		}
		if open := r.Troubles(); !slices.Equal(open, []string{"cabundle-patch"}) {
			t.Errorf("open are %q", open)
		}
		r.refuse(nil)
		time.Sleep(maxBackoff)
		synctest.Wait()
		r.right(t, "a", "when it is not refused any more")
	})
}
