package certs

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

func without(t *testing.T, s State, keys ...string) State {
	t.Helper()
	data := s.Data(nil)
	for _, key := range keys {
		if _, ok := data[key]; !ok {
			t.Fatalf("state has no %s to take away", key)
		}
		delete(data, key)
	}
	return ParseState(data)
}

func TestDecide(t *testing.T) {
	p := shortPolicy()
	a := fresh(t, p, 0)
	other := fresh(t, p, 0)
	announced := apply(t, AnnounceCA, Input{Now: at(24), Secret: a}, p)
	announced = apply(t, RenewLeaf, Input{Now: at(24), Secret: announced}, p) // ends at 36, with its CA
	switched := apply(t, SwitchCA, Input{Now: at(27), Secret: announced}, p)  // leaf until 39, CA until 60
	early := apply(t, AnnounceCA, Input{Now: at(1), Secret: a}, p)
	early = apply(t, SwitchCA, Input{Now: at(3), Secret: early}, p)
	early = apply(t, RenewLeaf, Input{Now: at(11), Secret: early}, p) // the leaf of A ended at 12
	overripe := fresh(t, p, 30)
	overripe.Roots = append(overripe.Roots, a.CA.Cert)
	foreignNames := func() State {
		q := p
		q.Hosts = pki.ServiceHosts("other", "istio-system", "")
		return apply(t, RenewLeaf, Input{Now: at(1), Secret: a}, q)
	}()
	mixed := a
	mixed.Leaf = &pki.Pair{CertPEM: a.Leaf.CertPEM, KeyPEM: other.Leaf.KeyPEM}
	mismatch := ParseState(mixed.Data(nil))
	memory := &a

	tests := map[string]struct {
		second float64
		in     Input
		want   Action
		reason string
		// next is when Decide wants to be asked again, in seconds; 0: not checked.
		next float64
	}{
		"nothing there":                           {0, Input{}, Bootstrap, "the secret is empty; a new CA is made", 0},
		"all is good":                             {1, Input{Secret: a}, Wait, "good", 8},
		"a moment before renewal":                 {7.9, Input{Secret: a}, Wait, "", 8},
		"leaf past two thirds":                    {8, Input{Secret: a}, RenewLeaf, "ends at", 0},
		"leaf expired, CA good":                   {13, Input{Secret: a}, RenewLeaf, "expired", 0},
		"CA past two thirds":                      {24, Input{Secret: apply(t, RenewLeaf, Input{Now: at(24), Secret: a}, p)}, AnnounceCA, "CA ends at", 0},
		"announced, caBundle lacks it":            {25, Input{Secret: announced}, Wait, "", 32},
		"announced, caBundle has it since now":    {25, Input{Secret: announced, NextTrusted: at(25)}, Wait, "", 27},
		"announced, trusted a moment too short":   {26.9, Input{Secret: announced, NextTrusted: at(25)}, Wait, "", 27},
		"announced, trusted long enough":          {27, Input{Secret: announced, NextTrusted: at(25)}, SwitchCA, "has held the next CA for 2s", 0},
		"leaf at its end, its CA too, not stuck":  {35.5, Input{Secret: announced}, Wait, "", 37},
		"leaf expired with its CA, next there":    {37, Input{Secret: announced}, SwitchCA, "takes over early", 0},
		"switched, the old leaf still valid":      {28, Input{Secret: switched}, Wait, "", 35},
		"switched, the old leaf has ended":        {13, Input{Secret: early}, PruneCA, "no valid certificate needs", 0},
		"emptied, certificate in memory":          {1, Input{Memory: memory, UnusableSince: at(1)}, Refill, "written back", 0},
		"emptied, memory has ended":               {13, Input{Memory: memory, UnusableSince: at(13)}, Bootstrap, "", 0},
		"emptied, caBundle trusts us":             {1, Input{Live: roots(a), UnusableSince: at(1)}, Wait, "a running replica may", 4},
		"emptied, nobody refilled":                {4, Input{Live: roots(a), UnusableSince: at(1)}, Bootstrap, "", 0},
		"emptied, caBundle trusts ours, expired":  {40, Input{Live: roots(a), UnusableSince: at(40)}, Bootstrap, "", 0},
		"key of the leaf gone":                    {1, Input{Secret: without(t, a, KeyPrivate), Memory: memory}, RenewLeaf, "private key: no PEM block", 0},
		"leaf gone":                               {1, Input{Secret: without(t, a, KeyChain)}, RenewLeaf, "certificate: no PEM block", 0},
		"key of another leaf":                     {1, Input{Secret: mismatch}, RenewLeaf, "does not belong", 0},
		"bundle gone":                             {1, Input{Secret: without(t, a, KeyRoots)}, RenewLeaf, "does not verify", 0},
		"CA's key gone":                           {1, Input{Secret: without(t, a, KeyCAKey)}, AnnounceCA, "cannot sign", 0},
		"CA and leaf's key gone, memory":          {1, Input{Secret: without(t, a, KeyCA, KeyCAKey, KeyPrivate), Memory: memory}, Refill, "", 0},
		"CA and leaf's key gone, next there":      {25, Input{Secret: without(t, announced, KeyCA, KeyCAKey, KeyPrivate), Memory: memory}, SwitchCA, "", 0},
		"only the key of the next CA":             {25, Input{Secret: without(t, announced, keyNext)}, AnnounceCA, "", 0},
		"only the next CA, no key":                {25, Input{Secret: without(t, announced, keyNextKey), NextTrusted: at(20)}, AnnounceCA, "", 0},
		"names of another Service":                {1, Input{Secret: foreignNames}, RenewLeaf, `not "injector"`, 0},
		"from the future, CA too":                 {-400, Input{Secret: a}, Bootstrap, "valid only from", 0},
		"from the future, within the backdate":    {-200, Input{Secret: a}, Wait, "", 0},
		"rubbish as time of the old CA's end":     {28, Input{Secret: withKey(switched, keyOldUntil, "soon")}, Wait, "", 0},
		"rubbish as time, old CA expired":         {37, Input{Secret: withKey(overripe, keyOldUntil, "soon")}, PruneCA, "", 0},
		"unknown keys only":                       {1, Input{Secret: ParseState(map[string][]byte{"password": []byte("x")})}, Bootstrap, "", 0},
		"tls.crt and ca.crt of somebody, no CA's": {1, Input{Secret: asTLS(a)}, AnnounceCA, "", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := tt.in
			in.Now, in.Exists = at(tt.second), true
			if in.Secret.Leaf == nil && in.Secret.LeafErr == nil {
				in.Secret = ParseState(nil)
			}
			step := Decide(in, p)
			if step.Action != tt.want || !strings.Contains(step.Reason, tt.reason) {
				t.Fatalf("got %s (%s), want %s (%s)", step.Action, step.Reason, tt.want, tt.reason)
			}
			if tt.next != 0 && !step.At.Equal(at(tt.next)) {
				t.Errorf("asks again at second %v, want %v", step.At.Sub(start).Seconds(), tt.next)
			}
			if step.Action == Wait {
				return
			}
			// The action must help: the same action is not wanted again at once, and
			// healing gives a leaf that can be served.
			in.Secret = apply(t, step.Action, in, p)
			in.UnusableSince = time.Time{}
			if again := Decide(in, p); again.Action == step.Action {
				t.Errorf("after %s Decide wants it again: %s", step.Action, again.Reason)
			}
			if err := in.Secret.LeafError(in.Now, p.Hosts); err != nil {
				t.Errorf("after %s the leaf is no good: %v", step.Action, err)
			}
			cannotWrite(t, in, p)
		})
	}
}

// cannotWrite asserts that who may not write, or cannot, does not want to.
func cannotWrite(t *testing.T, in Input, p Policy) {
	t.Helper()
	gone := in
	gone.Exists = false
	p2 := p
	p2.ReadOnly = true
	for _, step := range []Step{Decide(gone, p), Decide(in, p2)} {
		if step.Action != Wait {
			t.Errorf("wants %s without being able to", step.Action)
		}
	}
}

func withKey(s State, key, value string) State {
	data := s.Data(nil)
	data[key] = []byte(value)
	return ParseState(data)
}

func asTLS(s State) State {
	return ParseState(map[string][]byte{"tls.crt": s.Leaf.CertPEM, "tls.key": s.Leaf.KeyPEM, "ca.crt": pki.EncodeBundle(s.Roots)})
}

func TestApplyKeepsTrust(t *testing.T) {
	p := shortPolicy()
	a := fresh(t, p, 0)

	t.Run("bootstrap keeps CAs that somebody may still serve", func(t *testing.T) {
		in := Input{Now: at(1), Secret: ParseState(nil), Exists: true, Live: roots(a)}
		b := apply(t, Bootstrap, in, p)
		if !pki.Contains(b.Roots, a.CA.Cert) || b.Roots[0].Equal(a.CA.Cert) {
			t.Errorf("roots %d, want the new CA and the one in the caBundle", len(b.Roots))
		}
		if !b.OldUntil.Equal(at(13)) {
			t.Errorf("old CA until %v, want a validity from now", b.OldUntil)
		}
	})
	t.Run("switch keeps the old CA until its leaf ends", func(t *testing.T) {
		in := Input{Now: at(3), Secret: apply(t, AnnounceCA, Input{Now: at(1), Secret: a}, p)}
		b := apply(t, SwitchCA, in, p)
		if len(b.Roots) != 2 || !b.OldUntil.Equal(a.Leaf.Cert.NotAfter) || b.Next != nil {
			t.Errorf("%d roots, old until %v, next %v", len(b.Roots), b.OldUntil, b.Next)
		}
		if len(b.Leaf.Anchors(roots(a), at(3))) != 0 {
			t.Error("the new leaf is not of the new CA")
		}
	})
	t.Run("switch twice in a row keeps the later end", func(t *testing.T) {
		s := apply(t, AnnounceCA, Input{Now: at(1), Secret: a}, p)
		s = apply(t, SwitchCA, Input{Now: at(2), Secret: s}, p)
		s.OldUntil = at(500)
		s = apply(t, AnnounceCA, Input{Now: at(3), Secret: s}, p)
		s = apply(t, SwitchCA, Input{Now: at(4), Secret: s}, p)
		if len(s.Roots) != 3 || !s.OldUntil.Equal(at(500)) {
			t.Errorf("%d roots until %v", len(s.Roots), s.OldUntil)
		}
	})
	t.Run("prune keeps roots of others", func(t *testing.T) {
		q := p
		q.CA = pki.CASubject("elsewhere", "certs")
		foreign := fresh(t, q, 0)
		s := apply(t, AnnounceCA, Input{Now: at(1), Secret: a}, p)
		s = apply(t, SwitchCA, Input{Now: at(2), Secret: s}, p)
		s.Roots = append(s.Roots, foreign.CA.Cert)
		s = apply(t, PruneCA, Input{Now: at(20), Secret: s}, p)
		if len(s.Roots) != 2 || !pki.Contains(s.Roots, foreign.CA.Cert) || pki.Contains(s.Roots, a.CA.Cert) {
			t.Errorf("%d roots, want the current CA and the foreign one", len(s.Roots))
		}
	})
	t.Run("unknown keys of the secret stay", func(t *testing.T) {
		data := a.Data(map[string][]byte{"note": []byte("mine"), keyNext: []byte("x")})
		if string(data["note"]) != "mine" || data[keyNext] != nil {
			t.Errorf("note %q, next %q", data["note"], data[keyNext])
		}
	})
}

func TestPolicyValidate(t *testing.T) {
	tests := map[string]struct {
		change func(*Policy)
		want   string
	}{
		"good":                     {func(*Policy) {}, ""},
		"no hosts":                 {func(p *Policy) { p.Hosts = nil }, "--service"},
		"short leaf":               {func(p *Policy) { p.CertValidity, p.RenewBefore = time.Millisecond, 0 }, "--certValidity 1ms is too short"},
		"CA shorter than leaf":     {func(p *Policy) { p.CAValidity = 11 * time.Second }, "--caValidity 11s is shorter than --certValidity 12s"},
		"renewal too early":        {func(p *Policy) { p.RenewBefore = 7 * time.Second }, "--renewBefore 7s must be positive and at most half"},
		"CA renewal negative":      {func(p *Policy) { p.CARenewBefore = -1 }, "--caRenewBefore -1ns"},
		"propagation never passes": {func(p *Policy) { p.TrustPropagation = 12 * time.Second }, "--trustPropagation 12s must be less than"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := shortPolicy()
			tt.change(&p)
			err := p.Validate()
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if d := (Policy{}).Complete(); d.CAValidity != 8760*time.Hour || d.CertValidity != 720*time.Hour || d.RenewBefore != 240*time.Hour {
		t.Errorf("defaults %+v", d)
	}
}

func TestShouldServe(t *testing.T) {
	p := shortPolicy()
	a, b := fresh(t, p, 0), fresh(t, p, 0)
	a2 := apply(t, RenewLeaf, Input{Now: at(4), Secret: a}, p)
	late := apply(t, RenewLeaf, Input{Now: at(30), Secret: a}, p)
	since := func(second float64, states ...State) trustView {
		return trustView{known: true, live: roots(states...), since: func(*x509.Certificate) time.Time { return at(second) }}
	}
	badNames := p
	badNames.Hosts = []string{"other"}
	stranger := apply(t, RenewLeaf, Input{Now: at(1), Secret: b}, badNames)

	tests := map[string]struct {
		second float64
		secret State
		served *Certificate
		v      trustView
		want   bool
		again  float64 // in seconds; 0: only when something changes
	}{
		"nothing served":                           {1, a, nil, since(0), true, 0},
		"nothing served, secret expired":           {13, a, nil, since(0, a), false, 0},
		"the same":                                 {1, a, a.Certificate(), since(0), true, 0},
		"renewed, same CA":                         {4, a2, a.Certificate(), since(4, a), true, 0},
		"renewed, caBundle not known":              {4, a2, a.Certificate(), trustView{}, true, 0},
		"other CA, caBundle not known":             {4, b, a.Certificate(), trustView{}, true, 0},
		"other CA, not in the caBundle":            {4, b, a.Certificate(), since(0, a), false, 13},
		"other CA, caBundle emptied":               {4, b, a.Certificate(), since(0), false, 13},
		"other CA, not in it, served has ended":    {13, apply(t, RenewLeaf, Input{Now: at(13), Secret: b}, p), a.Certificate(), since(0, a), true, 0},
		"other CA, trusted too short":              {4, b, a.Certificate(), since(3, a, b), false, 5},
		"other CA, trusted long enough":            {5, b, a.Certificate(), since(3, a, b), true, 0},
		"other CA, caBundle does not have the old": {4, b, a.Certificate(), since(4, b), true, 0},
		"names of another Service":                 {1, stranger, a.Certificate(), since(0, a, b), false, 0},
		"secret emptied":                           {1, ParseState(nil), a.Certificate(), since(0, a), false, 0},
		"waits no longer than the served lasts":    {31, late, &Certificate{Leaf: b.Leaf, Roots: b.Roots}, since(31, a, b), true, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, again := shouldServe(at(tt.second), tt.secret, tt.served, tt.v, p)
			if got != tt.want {
				t.Fatalf("adopted %v, want %v", got, tt.want)
			}
			if tt.again != 0 && !again.Equal(at(tt.again)) {
				t.Errorf("asks again at %v, want %v", again.Sub(start).Seconds(), tt.again)
			}
		})
	}
}
