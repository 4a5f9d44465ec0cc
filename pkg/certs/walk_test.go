package certs

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// world is a cluster in a test's own time: one Secret, one caBundle, replicas
// that see both late, API servers that see the caBundle late, and a hand that
// stops replicas between any two writes.
type world struct {
	t        *testing.T
	policy   Policy
	rand     *rand.Rand
	now      time.Time
	secrets  []version // history, last is current
	bundles  []version
	replicas []*replica
	count    map[Action]int
	stops    int
	pods     int
	checked  map[string]error
}

// version is one state of the Secret, or of the caBundle, and since when.
type version struct {
	at    time.Time
	data  map[string][]byte
	state State
	text  []byte
	cas   []*x509.Certificate
}

// replica is one process; its watch lags behind.
type replica struct {
	id     int
	holder *CertificateSource
	actor  *actor
	lag    time.Duration
	since  map[string]time.Time
	ready  bool
}

const step = 200 * time.Millisecond

// apiServerLag is how late an API server may see the caBundle: TrustPropagation
// must cover it, together with the replica's own lag.
const apiServerLag = 1500 * time.Millisecond

func newWorld(t *testing.T, seed uint64, replicas int) *world {
	w := &world{
		t: t, policy: shortPolicy(), rand: rand.New(rand.NewPCG(seed, 1)), now: start,
		secrets: []version{{at: start, state: ParseState(nil)}}, bundles: []version{{at: start}},
		count: map[Action]int{}, checked: map[string]error{},
	}
	for i := range replicas {
		r := &replica{id: i}
		w.replicas = append(w.replicas, r)
		w.start(r)
	}
	return w
}

func (w *world) start(r *replica) {
	r.holder, r.ready, r.since = &CertificateSource{}, false, map[string]time.Time{}
	r.actor = newActor(w.policy, r.holder)
	r.lag = time.Duration(w.rand.IntN(3)) * step
}

// as returns the version that was current at a moment.
func as(history []version, at time.Time) version {
	for i := len(history) - 1; i > 0; i-- {
		if !history[i].at.After(at) {
			return history[i]
		}
	}
	return history[0]
}

func (w *world) secret() version { return w.secrets[len(w.secrets)-1] }
func (w *world) bundle() version { return w.bundles[len(w.bundles)-1] }

func (w *world) writeSecret(data map[string][]byte) {
	w.secrets = append(w.secrets, version{at: w.now, data: data, state: ParseState(data)})
}

func (w *world) writeBundle(text []byte) {
	cas, _ := pki.ScanBundle(text)
	w.bundles = append(w.bundles, version{at: w.now, text: text, cas: cas})
}

func (w *world) view(r *replica) trustView {
	live := as(w.bundles, w.now.Add(-r.lag)).cas
	since := map[string]time.Time{}
	for _, ca := range live {
		since[string(ca.Raw)] = w.now
		if old, ok := r.since[string(ca.Raw)]; ok {
			since[string(ca.Raw)] = old
		}
	}
	r.since = since
	return trustView{live: live, known: true, since: func(ca *x509.Certificate) time.Time { return since[string(ca.Raw)] }}
}

// pass lets a replica look and act. stop returns true where the process is to end.
func (w *world) pass(r *replica, stop func() bool) {
	seen := as(w.secrets, w.now.Add(-r.lag))
	v := r.actor.tick(w.now, seen.state, true, w.view(r))
	if stop() {
		w.restart(r)
		return
	}
	// Mending reads the caBundle as it is: a patch of an old one is refused.
	retired := func(ca *x509.Certificate) bool {
		return w.policy.CA.Is(ca) && len(v.want) > 0 && ca.NotBefore.Before(v.want[0].NotBefore)
	}
	if text, changed := webhookcfg.Mended(w.bundle().text, v.want, retired, w.now); changed {
		w.writeBundle(text)
		if stop() {
			w.restart(r)
			return
		}
	}
	if v.step.Action == Wait {
		return
	}
	if !seen.at.Equal(w.secret().at) {
		return // the write would be refused: somebody else's is not seen yet
	}
	state, err := Apply(v.step.Action, v.input, w.policy)
	if err != nil {
		w.t.Fatalf("replica %d: %s: %v", r.id, v.step.Action, err)
	}
	w.count[v.step.Action]++
	// Versions are told apart by time here, so no two in one tick.
	w.now = w.now.Add(time.Millisecond)
	w.writeSecret(state.Data(seen.data))
	if stop() {
		w.restart(r)
	}
}

func (w *world) restart(r *replica) {
	w.stops++
	w.start(r)
}

// verifies reports whether a replica's certificate is accepted by an API server
// that sees the caBundle as it was so long ago.
func (w *world) verifies(r *replica, lag time.Duration) error {
	b := r.holder.Current()
	if b == nil {
		return fmt.Errorf("nothing is served")
	}
	seen := as(w.bundles, w.now.Add(-lag))
	// X.509 counts seconds: within one the answer does not change.
	key := fmt.Sprint(w.now.Unix(), seen.at.UnixNano(), b.Leaf.Cert.SerialNumber)
	err, ok := w.checked[key]
	if !ok {
		err = b.Leaf.CheckServing(pki.ServingCheck{Now: w.now, Hosts: w.policy.Hosts, Roots: seen.cas})
		w.checked[key] = err
	}
	return err
}

// step is one tick: every replica passes, in any order, then every ready replica
// must be acceptable to every API server.
func (w *world) step(stop func() bool, strict bool) {
	w.now = w.now.Add(step)
	for _, i := range w.rand.Perm(len(w.replicas)) {
		w.pass(w.replicas[i], stop)
	}
	for _, r := range w.replicas {
		if !r.ready {
			// A server starts when the init binary has read the caBundle back.
			r.ready = w.verifies(r, 0) == nil && w.verifies(r, apiServerLag) == nil
			continue
		}
		for _, lag := range []time.Duration{0, apiServerLag / 2, apiServerLag} {
			w.pods++
			if err := w.verifies(r, lag); err != nil && strict {
				w.t.Fatalf("second %.1f: replica %d is refused by an API server %s behind: %v", w.now.Sub(start).Seconds(), r.id, lag, err)
			}
		}
	}
}

func never() bool { return false }

// Leaves and CAs change again and again; no API server ever meets a certificate
// that it does not trust, though replicas end between any two writes.
func TestWalk(t *testing.T) {
	seeds := []uint64{0, 1, 2, 3, 4, 5, 6, 7}
	if testing.Short() {
		seeds = seeds[1:2] // with stops
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t, seed, 3)
			stop := never
			if seed%2 == 1 {
				stop = func() bool { return w.rand.IntN(80) == 0 }
			}
			for w.now.Before(at(100)) {
				w.step(stop, true)
			}
			if w.count[RenewLeaf] < 3 || w.count[SwitchCA] < 3 || w.count[PruneCA] < 1 {
				t.Errorf("actions %v, want at least 3 renewals and 3 CA changes", w.count)
			}
			if w.count[Bootstrap] > 1 || w.pods == 0 {
				t.Errorf("%d bootstraps, %d checks", w.count[Bootstrap], w.pods)
			}
			if seed%2 == 1 && w.stops < 5 {
				t.Errorf("only %d stops", w.stops)
			}
			if last := w.secret().state; len(last.Roots) > 2 {
				t.Errorf("%d roots are left", len(last.Roots))
			}
		})
	}
}

// Every process stops after every single write; another one goes on.
func TestWalkStopAfterEveryWrite(t *testing.T) {
	w := newWorld(t, 7, 2)
	for w.now.Before(at(100)) {
		secrets, bundles := len(w.secrets), len(w.bundles)
		w.step(func() bool { return len(w.secrets)+len(w.bundles) > secrets+bundles && w.rand.IntN(2) == 0 }, true)
	}
	if w.count[SwitchCA] < 2 || w.stops < 10 {
		t.Errorf("actions %v, %d stops", w.count, w.stops)
	}
}

// Whatever is done to Secret and caBundle, soon every ready replica is trusted
// again, and the CA that is served does not change when it need not.
func TestWalkHeals(t *testing.T) {
	p := shortPolicy()
	faults := map[string]struct {
		hand func(*world)
		// sameCA: replicas have what is needed to repair without a new CA.
		sameCA bool
	}{
		"caBundle emptied":    {func(w *world) { w.writeBundle(nil) }, true},
		"caBundle rubbish":    {func(w *world) { w.writeBundle([]byte("Cg==")) }, true},
		"secret emptied":      {func(w *world) { w.writeSecret(nil) }, true},
		"both emptied":        {func(w *world) { w.writeSecret(nil); w.writeBundle(nil) }, true},
		"key garbled":         {func(w *world) { w.writeSecret(edit(w, KeyPrivate, "x")) }, true},
		"CA garbled":          {func(w *world) { w.writeSecret(edit(w, KeyCA, "x")) }, false},
		"roots garbled":       {func(w *world) { w.writeSecret(edit(w, KeyRoots, "x")) }, true},
		"names of another":    {func(w *world) { w.writeSecret(renamed(w).Data(nil)) }, true},
		"another certificate": {func(w *world) { w.writeSecret(otherState(w, p).Data(nil)) }, false},
		"restored from a backup": {func(w *world) {
			backup := w.now.Add(-5 * time.Second)
			secret, bundle := as(w.secrets, backup), as(w.bundles, backup)
			w.writeSecret(secret.data)
			w.writeBundle(bundle.text)
		}, false},
		"certificate in place of CA": {func(w *world) {
			data := w.secret().state.Data(nil)
			data[KeyCA], data[KeyCAKey] = data[KeyChain], data[KeyPrivate]
			w.writeSecret(data)
		}, false},
		"emptied, replica killed": {func(w *world) { w.writeSecret(nil); w.restart(w.replicas[0]) }, true},
		"emptied, all killed": {func(w *world) {
			w.writeSecret(nil)
			for _, r := range w.replicas {
				w.restart(r)
			}
		}, false},
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			moments, after := []float64{3, 18.3, 33.6}, 20*time.Second
			if testing.Short() {
				moments, after = moments[1:2], 5*time.Second
			}
			for _, second := range moments {
				w := newWorld(t, uint64(second), 3)
				for w.now.Before(at(second)) {
					w.step(never, true)
				}
				before := w.secret().state
				w.now = w.now.Add(time.Millisecond)
				f.hand(w)
				healed := w.now.Add(p.RefillGrace + time.Second + apiServerLag)
				for w.now.Before(healed) {
					w.step(never, false)
				}
				for _, r := range w.replicas {
					if err := w.verifies(r, 0); err != nil {
						t.Fatalf("hit at %v: replica %d is still refused: %v", second, r.id, err)
					}
				}
				then := w.secret().state
				if err := then.LeafError(w.now, p.Hosts); err != nil {
					t.Errorf("hit at %v: secret: %v", second, err)
				}
				if f.sameCA && before.CA != nil && w.count[Bootstrap] > 1 {
					t.Errorf("hit at %v: a new CA was made though the old one was in memory", second)
				}
				// And life goes on, as strictly as before.
				for end := w.now.Add(after); w.now.Before(end); {
					w.step(never, true)
				}
			}
		})
	}
}

func edit(w *world, key, value string) map[string][]byte {
	data := w.secret().state.Data(nil)
	data[key] = []byte(value)
	return data
}

func renamed(w *world) State {
	p := w.policy
	p.Hosts = []string{"somebody-else"}
	s := w.secret().state
	s, err := Apply(RenewLeaf, Input{Now: w.now, Secret: s}, p)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func otherState(w *world, p Policy) State {
	s, err := Apply(Bootstrap, Input{Now: w.now}, p)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
