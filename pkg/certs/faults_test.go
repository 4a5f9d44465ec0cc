package certs

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/control"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// longPolicy has leaves of so many hours, and CAs that live ten times as long.
func longPolicy(hours int) Policy {
	p := shortPolicy()
	p.CertValidity = time.Duration(hours) * time.Hour
	p.CAValidity = 10 * p.CertValidity
	p.CARenewBefore, p.RenewBefore = 0, 0
	return p.Complete()
}

// quiet asserts that nothing is written for a day though the loop is woken again
// and again, as long as nothing is due.
func quiet(t *testing.T, store *memoryStore, during time.Duration) {
	t.Helper()
	synctest.Wait()
	before := store.updates
	for range 100 {
		time.Sleep(during / 100)
		for _, changed := range store.watches {
			changed()
		}
		synctest.Wait()
	}
	if store.updates != before {
		t.Errorf("%d writes in %s in which nothing changed", store.updates-before, during)
	}
}

func TestNoWriteWhenNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, trust := emptySecret(), newObedient()
		a, b := run(t, store, trust, longPolicy(48), 0), run(t, store, trust, longPolicy(48), 0.9)
		time.Sleep(time.Second)
		quiet(t, store, 24*time.Hour)
		a.good(t, "first replica")
		b.good(t, "second replica")
		a.cancel()
		b.cancel()
	})
}

// After a restore of etcd the Secret is what it was long ago, and its versions
// begin again below what replicas have seen.
func TestRestoreFromBackup(t *testing.T) {
	for name, backup := range map[string]func(first map[string][]byte) map[string][]byte{
		"of an early state":    func(first map[string][]byte) map[string][]byte { return first },
		"of the empty Secret":  func(map[string][]byte) map[string][]byte { return map[string][]byte{} },
		"with another's data":  func(map[string][]byte) map[string][]byte { return map[string][]byte{KeyCA: []byte("x")} },
		"without its CA's key": func(first map[string][]byte) map[string][]byte { delete(first, KeyCAKey); return first },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, trust := emptySecret(), newObedient()
				replicas := []*rig{run(t, store, trust, shortPolicy(), 0.1), run(t, store, trust, shortPolicy(), 0.7)}
				time.Sleep(time.Second)
				store.mu.Lock()
				first := maps.Clone(store.secret.Data)
				store.mu.Unlock()
				time.Sleep(100 * time.Second)
				store.mu.Lock()
				store.version = 1
				store.put(backup(first))
				store.mu.Unlock()
				time.Sleep(10 * time.Second)
				updates := store.updates
				for range 60 {
					for i, r := range replicas {
						r.good(t, fmt.Sprint("replica ", i, " after the restore"))
					}
					time.Sleep(time.Second)
				}
				if store.updates-updates < 5 {
					t.Errorf("only %d writes in five lives of a leaf after the restore", store.updates-updates)
				}
				for _, r := range replicas {
					if n := r.count.get("conflict"); n > 5 {
						t.Errorf("%d conflicts", n)
					}
					r.cancel()
				}
			})
		})
	}
}

// A write that hangs must not keep a replica from serving what another one wrote.
func TestHungWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := longPolicy(1)
		store, trust := emptySecret(), newObedient()
		hung := run(t, store, trust, p, 0)
		time.Sleep(time.Second)
		store.mu.Lock()
		store.hang = func(verb string) bool { return verb == "update" }
		store.mu.Unlock()
		time.Sleep(p.CertValidity - p.RenewBefore + time.Second) // it wants to renew
		renewed := must[State](t)(Apply(RenewLeaf, Input{Now: time.Now(), Secret: store.state()}, p))
		store.set(renewed.Data(nil))
		time.Sleep(control.CallTimeout)
		synctest.Wait()
		if !sameLeaf(hung.holder.Current().Leaf, renewed.Leaf) {
			t.Errorf("another replica's certificate is not served %s after it was written", control.CallTimeout)
		}
		if hung.log.count("trouble=secret-write") != 2 || hung.log.count("trouble is over") != 1 {
			t.Errorf("the hung write is not said once, with its end:\n%s", hung.log.b.String())
		}
		hung.cancel()
	})
}

// A read that hangs is given up, said, and made again.
func TestHungRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, trust := emptySecret(), newObedient()
		store.hang = func(verb string) bool { return verb == "get" }
		r := run(t, store, trust, shortPolicy(), 0)
		time.Sleep(control.CallTimeout)
		synctest.Wait()
		if r.log.count("trouble=secret-watch") != 1 {
			t.Errorf("not said:\n%s", r.log.b.String())
		}
		store.mu.Lock()
		store.hang = nil
		store.mu.Unlock()
		time.Sleep(control.CallTimeout + time.Second) // the call that hangs, and the next
		synctest.Wait()
		r.good(t, "after the API server answers again")
		if r.log.count("trouble is over") != 1 {
			t.Errorf("its end is not said:\n%s", r.log.b.String())
		}
		r.cancel()
	})
}

// A trouble ends with its cause, also when another replica removed it.
func TestTroublesEndWithTheirCause(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, secretName.Name, errors.New("no rule"))
	p := longPolicy(10)
	good := func(t *testing.T, s *memoryStore) {
		s.set(must[State](t)(Apply(Bootstrap, Input{Now: time.Now()}, p)).Data(nil))
	}
	for key, tt := range map[string]struct {
		cause, end func(*testing.T, *memoryStore)
	}{
		"secret-write": {func(_ *testing.T, s *memoryStore) {
			s.fail = func(verb string) error { return map[string]error{"update": forbidden}[verb] }
			s.set(map[string][]byte{})
		}, good},
		"secret-missing": {func(_ *testing.T, s *memoryStore) { s.set(nil) }, good},
		"secret-keys": {func(_ *testing.T, s *memoryStore) {
			s.fail = func(verb string) error { return map[string]error{"update": forbidden}[verb] }
			s.set(map[string][]byte{"password": []byte("x")})
		}, good},
		"secret-unusable": {func(_ *testing.T, s *memoryStore) {
			s.fail = func(verb string) error { return map[string]error{"update": forbidden}[verb] }
			s.set(map[string][]byte{KeyChain: []byte("x")})
		}, good},
		"clock-skew": {func(t *testing.T, s *memoryStore) {
			s.fail = func(verb string) error { return map[string]error{"update": forbidden}[verb] }
			s.set(must[State](t)(Apply(Bootstrap, Input{Now: time.Now().Add(time.Hour)}, p)).Data(nil))
		}, good},
		"secret-watch": {func(_ *testing.T, s *memoryStore) { s.failed(forbidden) }, func(_ *testing.T, s *memoryStore) { s.failed(nil) }},
	} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := emptySecret()
				r := run(t, store, newObedient(), p, 0.5)
				time.Sleep(time.Second)
				tt.cause(t, store)
				time.Sleep(5 * time.Second)
				if r.log.count("trouble="+key) != 1 {
					t.Fatalf("not said once:\n%s", r.log.b.String())
				}
				tt.end(t, store)
				time.Sleep(time.Second)
				if open := r.controller.Troubles(); len(open) != 0 || r.log.count("trouble="+key) != 2 {
					t.Errorf("open are %q:\n%s", open, r.log.b.String())
				}
				r.cancel()
			})
		})
	}
}

// skewed is a clock that is wrong.
type skewed struct {
	clock.RealClock
	by time.Duration
}

func (s skewed) Now() time.Time { return time.Now().Add(s.by) }

// Clocks apart by more than the validity make replicas replace each other's
// certificates. The budget slows them down, and the trouble says why.
func TestSkewedClocksStayInTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := longPolicy(1)
		store, trust := emptySecret(), newObedient()
		a, b := run(t, store, trust, p, 0.2), runAt(t, store, trust, p, 0.4, skewed{by: 24 * time.Hour})
		const minutes = 10
		time.Sleep(minutes * time.Minute)
		most := 2 * (writeBurst + int(minutes*time.Minute/maxWriteInterval) + 1)
		if store.updates < writeBurst || store.updates > most {
			t.Errorf("%d writes in %d minutes, want at most %d", store.updates, minutes, most)
		}
		if n := a.log.count("had to be written again and again") + b.log.count("had to be written again and again"); n == 0 || n > 2 {
			t.Errorf("said %d times that the budget is spent", n)
		}
		// The clock is put right: the trouble ends, and writing, too.
		b.cancel()
		time.Sleep(30 * time.Minute)
		if open := a.controller.Troubles(); len(open) != 0 {
			t.Errorf("open are %q", open)
		}
		a.good(t, "afterwards")
		a.cancel()
	})
}

// ca-cert.pem may hold a valid certificate that is no CA, and lasts longer than
// any CA of ours: it is replaced once.
func TestCertificateInPlaceOfTheCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := longPolicy(48)
		store, trust := emptySecret(), newObedient()
		r := run(t, store, trust, p, 0)
		time.Sleep(time.Second)
		authority := must[*pki.Pair](t)(pki.NewCA(pki.CARequest{Subject: p.CA, Validity: 100 * p.CAValidity}, time.Now()))
		leaf := must[*pki.Pair](t)(pki.IssueLeaf(authority, pki.LeafRequest{CommonName: "x", Hosts: []string{"x"}, Validity: 100 * p.CAValidity}, time.Now()))
		data := store.state().Data(nil)
		data[KeyCA], data[KeyCAKey] = leaf.CertPEM, leaf.KeyPEM
		updates := store.updates
		store.set(data)
		time.Sleep(p.CertValidity / 2)
		if n := store.updates - updates; n < 2 || n > 3 { // announced, switched; pruned or not yet
			t.Errorf("%d writes", n)
		}
		s := store.state()
		if err := s.caError(time.Now()); err != nil || s.Next != nil || bytes.Equal(s.CA.CertPEM, leaf.CertPEM) {
			t.Errorf("the CA is not replaced: %v", err)
		}
		quiet(t, store, p.CertValidity/10)
		r.good(t, "afterwards")
		r.cancel()
	})
}

// The same clock, the same random numbers and the same faults give the same steps
// at the same times.
func TestControllerIsDeterministic(t *testing.T) {
	trace := func() (out string) {
		synctest.Test(t, func(t *testing.T) {
			store, trust := emptySecret(), newObedient()
			r := run(t, store, trust, shortPolicy(), 0.37)
			begin := time.Now()
			var last string
			for range 600 {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				if time.Since(begin) == 20*time.Second {
					store.set(map[string][]byte{})
				}
				store.mu.Lock()
				version := store.secret.ResourceVersion
				store.mu.Unlock()
				if version != last {
					last = version
					out += fmt.Sprintln(time.Since(begin), version, store.state().Next != nil, len(store.state().Roots))
				}
			}
			r.cancel()
		})
		return out
	}
	a, b := trace(), trace()
	if a != b || len(a) < 100 {
		t.Errorf("two runs differ, or nothing happened:\n%s\n%s", a, b)
	}
}
