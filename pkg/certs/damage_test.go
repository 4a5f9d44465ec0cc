package certs

import (
	"testing"
	"time"
)

// Each key of the Secret may be there, missing or garbled, in every combination:
// from all of them a few steps lead to a good certificate, without a panic and
// without going in circles.
func TestEveryDamage(t *testing.T) {
	p := shortPolicy()
	a := fresh(t, p, 0)
	whole := apply(t, AnnounceCA, Input{Now: at(1), Secret: a}, p).Data(nil)
	keys := []string{KeyRoots, KeyChain, KeyPrivate, KeyCA, KeyCAKey, keyNext, keyNextKey}
	total := 1
	for range keys {
		total *= 3
	}
	each := 1
	if testing.Short() {
		each = 13 // not a multiple of three, so that each key is still seen in each state
	}
	for n := 0; n < total; n += each {
		data := map[string][]byte{}
		for i, rest := 0, n; i < len(keys); i, rest = i+1, rest/3 {
			switch rest % 3 {
			case 0:
				data[keys[i]] = whole[keys[i]]
			case 1:
				data[keys[i]] = []byte("-----BEGIN CERTIFICATE-----\ngarbage")
			}
		}
		in := Input{Now: at(2), Secret: ParseState(data), Exists: true, UnusableSince: at(-10)}
		if n%2 == 0 {
			in.Memory = &a
		}
		steps := settle(t, in, p)
		if len(steps) > 4 {
			t.Fatalf("damage %d: %v", n, steps)
		}
	}
}

// settle takes steps until nothing is to be done, with a caBundle that does at
// once what it should, and returns them.
func settle(t *testing.T, in Input, p Policy) []Action {
	t.Helper()
	var steps []Action
	for range 10 {
		in.NextTrusted = time.Time{}
		if in.Secret.Next != nil {
			in.NextTrusted = in.Now.Add(-p.TrustPropagation)
		}
		step := Decide(in, p)
		if step.Action == Wait {
			if err := in.Secret.LeafError(in.Now, p.Hosts); err != nil {
				t.Fatalf("after %v the leaf is no good: %v", steps, err)
			}
			if err := in.Secret.caError(in.Now); err != nil {
				t.Fatalf("after %v the CA is no good: %v", steps, err)
			}
			return steps
		}
		steps = append(steps, step.Action)
		in.Secret = apply(t, step.Action, in, p)
	}
	t.Fatalf("no end: %v", steps)
	return nil
}
