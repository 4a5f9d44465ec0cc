package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// memoryStore is a Secret with the API server's rules: versions, conflicts,
// watches. It fails, and hangs, on command.
type memoryStore struct {
	mu      sync.Mutex
	secret  *corev1.Secret
	version int
	watches []func()
	updates int
	gets    int
	fail    func(verb string) error
	hang    func(verb string) bool
	failed  func(error) // of the watch
}

func (m *memoryStore) failure(verb string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(verb)
}

// wait hangs a call on command until ctx ends.
func (m *memoryStore) wait(ctx context.Context, verb string) error {
	m.mu.Lock()
	hangs := m.hang != nil && m.hang(verb)
	m.mu.Unlock()
	if !hangs {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (m *memoryStore) Get(ctx context.Context) (*corev1.Secret, error) {
	if err := m.wait(ctx, "get"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	if err := m.failure("get"); err != nil {
		return nil, err
	}
	if m.secret == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, secretName.Name)
	}
	return m.secret.DeepCopy(), nil
}

func (m *memoryStore) Update(ctx context.Context, s *corev1.Secret) (*corev1.Secret, error) {
	if err := m.wait(ctx, "update"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure("update"); err != nil {
		return nil, err
	}
	switch {
	case m.secret == nil:
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, secretName.Name)
	case s.ResourceVersion != m.secret.ResourceVersion:
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, secretName.Name, errors.New("changed"))
	}
	m.updates++
	return m.put(s.Data), nil
}

// put stores data (nil data with no keys is an empty Secret) and tells watchers.
func (m *memoryStore) put(data map[string][]byte) *corev1.Secret {
	m.version++
	m.secret = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: secretName.Name, Namespace: secretName.Namespace, ResourceVersion: strconv.Itoa(m.version)},
		Data:       maps.Clone(data),
	}
	m.tell()
	return m.secret.DeepCopy()
}

func (m *memoryStore) tell() {
	for _, w := range m.watches {
		w()
	}
}

// set is somebody else's write; nil deletes the Secret.
func (m *memoryStore) set(data map[string][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data == nil {
		m.version++
		m.secret = nil
		m.tell()
		return
	}
	m.put(data)
}

func (m *memoryStore) state() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.secret == nil {
		return ParseState(nil)
	}
	return ParseState(m.secret.Data)
}

func (m *memoryStore) Watch(ctx context.Context, changed func(), failed func(error)) {
	m.mu.Lock()
	m.failed = failed
	m.watches = append(m.watches, changed)
	changed()
	m.mu.Unlock()
	<-ctx.Done()
}

// obedient is a CABundle that does at once what is wanted.
type obedient struct {
	mu      sync.Mutex
	live    []*x509.Certificate
	since   map[string]time.Time
	changed chan struct{}
	frozen  bool
}

func newObedient() *obedient {
	return &obedient{since: map[string]time.Time{}, changed: make(chan struct{}, 1)}
}

func (o *obedient) Want(cas []*x509.Certificate) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.frozen {
		return
	}
	for _, ca := range cas {
		if !pki.Contains(o.live, ca) {
			o.since[string(ca.Raw)] = time.Now()
			o.live = append(o.live, ca)
			select {
			case o.changed <- struct{}{}:
			default:
			}
		}
	}
}

func (o *obedient) Live() ([]*x509.Certificate, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.live, true
}

func (o *obedient) Since(ca *x509.Certificate) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.since[string(ca.Raw)]
}

func (o *obedient) Changed() <-chan struct{} { return o.changed }

// counter is a Recorder.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what]++
}

func (c *counter) get(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func (c *counter) CertificateExpiry(string, time.Time) {}
func (c *counter) CertificateRenewed(typ string)       { c.add("renewed " + typ) }
func (c *counter) Healed(what string)                  { c.add("healed " + what) }
func (c *counter) WriteFailed(what string)             { c.add("failed " + what) }
func (c *counter) WriteConflict()                      { c.add("conflict") }

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.b.String(), text)
}

type rig struct {
	store  *memoryStore
	trust  *obedient
	holder *CertificateSource
	count  *counter
	log    *syncBuffer
	policy Policy

	controller *Controller
	cancel     context.CancelFunc
	done       chan struct{}
}

// run starts a controller within a synctest bubble.
func run(t *testing.T, store *memoryStore, trust *obedient, p Policy, random float64) *rig {
	t.Helper()
	return runAt(t, store, trust, p, random, clock.RealClock{})
}

func runAt(t *testing.T, store *memoryStore, trust *obedient, p Policy, random float64, now clock.Clock) *rig {
	t.Helper()
	r := &rig{store: store, trust: trust, holder: &CertificateSource{}, count: &counter{n: map[string]int{}}, log: &syncBuffer{}, policy: p, done: make(chan struct{})}
	c, err := New(Options{
		Store: store, Secret: secretName, CABundle: trust, Source: r.holder, Policy: p, Clock: now,
		Rand: func() float64 { return random }, Log: slog.New(slog.NewTextHandler(r.log, nil)), Recorder: r.count,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.controller = c
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = func() { cancel(); <-r.done }
	go func() {
		defer close(r.done)
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	synctest.Wait()
	return r
}

func emptySecret() *memoryStore {
	m := &memoryStore{}
	m.put(map[string][]byte{})
	return m
}

func (r *rig) good(t *testing.T, when string) {
	t.Helper()
	b := r.holder.Current()
	if b == nil {
		t.Fatalf("%s: nothing is served", when)
	}
	live, _ := r.trust.Live()
	if err := b.Leaf.CheckServing(pki.ServingCheck{Now: time.Now(), Hosts: r.policy.Hosts, Roots: live}); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
}

func TestControllerRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := shortPolicy()
		store, trust := emptySecret(), newObedient()
		replicas := []*rig{run(t, store, trust, p, 0), run(t, store, trust, p, 0.5), run(t, store, trust, p, 0.99)}
		time.Sleep(time.Second)
		for range 120 {
			for i, r := range replicas {
				r.good(t, fmt.Sprint("replica ", i))
			}
			time.Sleep(time.Second)
		}
		sum := func(what string) (n int) {
			for _, r := range replicas {
				n += r.count.get(what)
			}
			return n
		}
		if sum("renewed leaf") < 3 || sum("renewed ca") < 3 {
			t.Errorf("%d renewals, %d CA changes", sum("renewed leaf"), sum("renewed ca"))
		}
		// Jitter keeps replicas apart: mostly one of them writes, once.
		if sum("conflict") > sum("renewed leaf")+sum("renewed ca") {
			t.Errorf("%d conflicts in %d writes", sum("conflict"), store.updates)
		}
		for _, r := range replicas {
			r.cancel()
		}
	})
}

func TestControllerHeals(t *testing.T) {
	p := shortPolicy()
	p.CAValidity, p.CertValidity = time.Hour, time.Hour
	p.CARenewBefore, p.RenewBefore = 0, 0
	p = p.Complete()
	synctest.Test(t, func(t *testing.T) {
		store, trust := emptySecret(), newObedient()
		r := run(t, store, trust, p, 0.99)
		time.Sleep(time.Second)
		r.good(t, "after the start")
		leaf := r.holder.Current().Leaf

		store.set(map[string][]byte{})
		time.Sleep(urgentSpread)
		synctest.Wait()
		if !sameLeaf(store.state().Leaf, leaf) {
			t.Error("an emptied secret is not refilled within the jitter")
		}

		store.set(nil)
		time.Sleep(time.Minute)
		if !sameLeaf(r.holder.Current().Leaf, leaf) || r.log.count("does not exist, and only the chart") != 1 {
			t.Errorf("a deleted secret: served %v, said %d times, want once", r.holder.Current() != nil, r.log.count("does not exist"))
		}
		store.set(map[string][]byte{})
		time.Sleep(urgentSpread)
		synctest.Wait()
		if !sameLeaf(store.state().Leaf, leaf) {
			t.Error("a secret that was deleted and created is not refilled")
		}
		if r.count.get("healed secret") != 3 { // the first certificate counts, too
			t.Errorf("%d heals", r.count.get("healed secret"))
		}
		r.cancel()
	})
}

func TestControllerMeetsErrors(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, secretName.Name, errors.New("no rule"))
	away := &timeout{}
	for name, tt := range map[string]struct {
		err  error
		verb string // that fails; "": all
		says string
		// troubles is how many there are, with the watch's.
		troubles int
	}{
		"may not write":       {forbidden, "update", "not allowed to update secret istio-system/certs", 2},
		"API server is slow":  {away, "update", "because the API server does not answer", 2},
		"may not read, write": {forbidden, "", "not allowed to get secret istio-system/certs", 1},
		"API server away":     {away, "", "because the API server does not answer", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, trust := emptySecret(), newObedient()
				tries := 0
				store.fail = func(verb string) error {
					if tt.verb != "" && verb != tt.verb {
						return nil
					}
					tries++
					return tt.err
				}
				r := run(t, store, trust, shortPolicy(), 0)
				time.Sleep(2 * time.Minute)
				if n := r.log.count(tt.says); n != 1 {
					t.Errorf("said %d times, want once: %s", n, r.log.b.String())
				}
				// Backoff: 100 ms doubling to 30 s gives about a dozen tries in two minutes.
				if tries < 8 || tries > 16 {
					t.Errorf("%d tries in two minutes", tries)
				}
				if n := r.count.get("failed secret"); (n == tries) != (tt.verb == "update") {
					t.Errorf("%d failed writes counted of %d tries", n, tries)
				}
				store.mu.Lock()
				store.fail = nil
				store.mu.Unlock()
				// The watch that works again ends the pause.
				store.failed(tt.err)
				synctest.Wait()
				store.failed(nil)
				synctest.Wait()
				r.good(t, "after the trouble")
				if r.log.count("trouble is over") != tt.troubles {
					t.Errorf("the end of %d troubles is not said: %s", tt.troubles, r.log.b.String())
				}
				r.cancel()
			})
		})
	}
}

// timeout is a net.Error.
type timeout struct{}

func (*timeout) Error() string   { return "i/o timeout" }
func (*timeout) Timeout() bool   { return true }
func (*timeout) Temporary() bool { return true }

// Two releases with one Secret: each keeps serving its own certificate, says so,
// and they do not write as fast as they can.
func TestControllerSharesASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := shortPolicy()
		p.CAValidity, p.CertValidity, p.CARenewBefore, p.RenewBefore = 10*time.Hour, 10*time.Hour, 0, 0
		p = p.Complete()
		q := p
		q.Hosts = pki.ServiceHosts("second", "istio-system", "")
		store, trust := emptySecret(), newObedient()
		a := run(t, store, trust, p, 0.3)
		time.Sleep(time.Second)
		b := run(t, store, trust, q, 0.6)
		time.Sleep(10 * time.Minute)
		a.good(t, "first release")
		b.good(t, "second release")
		if a.log.count("two releases use it")+b.log.count("two releases use it") == 0 {
			t.Error("nobody says that the secret is shared")
		}
		if store.updates > 30 {
			t.Errorf("%d writes in ten minutes", store.updates)
		}
		a.cancel()
		b.cancel()
	})
}

// With a caBundle that cannot be mended the switch to the next CA waits; the old
// certificate is served as long as it lasts.
func TestControllerWaitsForTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, trust := emptySecret(), newObedient()
		r := run(t, store, trust, shortPolicy(), 0)
		time.Sleep(5 * time.Second)
		trust.mu.Lock()
		trust.frozen = true
		trust.mu.Unlock()
		for range 25 {
			r.good(t, "while the caBundle is frozen")
			time.Sleep(time.Second)
		}
		if store.state().Next == nil || r.count.get("renewed ca") != 0 {
			t.Errorf("next CA %v, CA changes %d", store.state().Next, r.count.get("renewed ca"))
		}
		trust.mu.Lock()
		trust.frozen = false
		trust.mu.Unlock()
		trust.changed <- struct{}{}
		time.Sleep(r.policy.TrustPropagation + time.Second)
		r.good(t, "afterwards")
		if r.count.get("renewed ca") != 1 {
			t.Errorf("CA changes %d, want 1", r.count.get("renewed ca"))
		}
		r.cancel()
	})
}

func TestReadOnlyController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := shortPolicy()
		p.ReadOnly = true
		store, trust := emptySecret(), newObedient()
		r := run(t, store, trust, p, 0)
		time.Sleep(5 * time.Second)
		if r.holder.Current() != nil || store.updates != 0 {
			t.Fatalf("served %v, %d writes", r.holder.Current(), store.updates)
		}
		writer := must[State](t)(Apply(Bootstrap, Input{Now: time.Now()}, shortPolicy()))
		store.set(writer.Data(nil))
		synctest.Wait()
		r.good(t, "after somebody wrote it")
		store.set(map[string][]byte{"password": []byte("secret")})
		time.Sleep(time.Second)
		r.good(t, "after the secret was overwritten")
		if store.updates != 0 || r.log.count("holds password but not") != 1 || r.log.count("=secret ") != 0 {
			t.Errorf("%d writes; %s", store.updates, r.log.b.String())
		}
		r.cancel()
	})
}

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := shortPolicy()
		holder, trust := &CertificateSource{}, newObedient()
		check := NewReadiness(holder, trust, p.Hosts, clock.RealClock{}).Check
		says := func(want string) {
			t.Helper()
			err := check()
			if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
				t.Fatalf("got %v, want %q", err, want)
			}
		}
		says("no serving certificate yet")
		state := must[State](t)(Apply(Bootstrap, Input{Now: time.Now()}, p))
		holder.Set(state.Certificate())
		says("does not verify")
		trust.Want(state.Roots)
		says("")
		trust.mu.Lock()
		trust.live = nil
		trust.mu.Unlock()
		says("") // it may be mended any moment
		time.Sleep(readyGrace)
		says("does not verify")
		trust.Want(state.Roots)
		says("")
		time.Sleep(p.CertValidity + readyGrace)
		says("expired")
		if err := NewReadiness(holder, nil, nil, clock.RealClock{}).Check(); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("without a caBundle: %v", err)
		}
	})
}

// A watch tells of changes late, twice or for nothing: what counts is what the API
// server says, so no event brings an old certificate back or causes a write.
func TestControllerReadsWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, trust := emptySecret(), newObedient()
		r := run(t, store, trust, shortPolicy(), 0)
		time.Sleep(time.Second)
		first := r.holder.Current().Leaf
		time.Sleep(r.policy.CertValidity - r.policy.RenewBefore)
		renewed := r.holder.Current().Leaf
		if sameLeaf(renewed, first) {
			t.Fatal("not renewed yet")
		}
		updates := store.updates
		for range 10 {
			store.watches[0]()
			synctest.Wait()
		}
		if !sameLeaf(r.holder.Current().Leaf, renewed) || store.updates != updates || r.count.get("conflict") != 0 {
			t.Errorf("old news: served the old one %v, %d writes, %d conflicts", !sameLeaf(r.holder.Current().Leaf, renewed), store.updates-updates, r.count.get("conflict"))
		}
		r.cancel()
	})
}
