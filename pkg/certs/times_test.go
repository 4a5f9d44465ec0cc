package certs

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// Without a webhook configuration nothing shows since when the next CA is
// trusted, so the time counts from when this process first saw it. If it began
// anew in every pass, the CA would never be put to use.
func TestSinceWhenTheNextCAIsAnnouncedWithoutAWebhook(t *testing.T) {
	p := shortPolicy()
	s := fresh(t, p, 0)
	first := apply(t, AnnounceCA, Input{Now: at(1), Secret: s}, p)
	other := apply(t, AnnounceCA, Input{Now: at(2), Secret: s}, p)
	a := newActor(p, &CertificateSource{})
	for _, tc := range []struct {
		second float64
		secret State
		want   time.Time
	}{
		{0, s, time.Time{}},
		{1, first, at(1)},
		{2, first, at(1)},
		{3, other, at(3)},
		{4, other, at(3)},
		{5, s, time.Time{}},
		{6, other, at(6)},
	} {
		if got := a.nextTrusted(at(tc.second), tc.secret, trustView{}); !got.Equal(tc.want) {
			t.Errorf("second %v: since %v, want %v", tc.second, got, tc.want)
		}
	}
}

// Until when earlier CAs are needed is noted exactly while there are any.
func TestUntilWhenEarlierCAsAreNeeded(t *testing.T) {
	p := shortPolicy()
	s := fresh(t, p, 0)
	if !s.OldUntil.IsZero() {
		t.Errorf("a first CA: %v", s.OldUntil)
	}
	again := apply(t, Bootstrap, Input{Now: at(3), Secret: State{Roots: s.Roots}, Exists: true}, p)
	if want := at(3).Add(p.CertValidity); len(again.Roots) != 2 || !again.OldUntil.Equal(want) {
		t.Errorf("a CA beside an earlier one: %d roots, %v, want %v", len(again.Roots), again.OldUntil, want)
	}
	foreign := must[*pki.Pair](t)(pki.NewCA(pki.CARequest{Subject: pki.Subject{CommonName: "cert-manager"}, Validity: time.Hour}, at(0)))
	mixed := again
	mixed.Roots = pki.Union(again.Roots, []*x509.Certificate{foreign.Cert})
	for name, tc := range map[string]struct {
		state State
		left  int
		noted bool
	}{
		"the last earlier one goes": {again, 1, false},
		"somebody else's stays":     {mixed, 2, true},
	} {
		pruned := apply(t, PruneCA, Input{Now: again.OldUntil.Add(time.Second), Secret: tc.state, Exists: true}, p)
		if len(pruned.Roots) != tc.left || pruned.OldUntil.IsZero() == tc.noted {
			t.Errorf("%s: %d roots are left, needed until %v", name, len(pruned.Roots), pruned.OldUntil)
		}
	}
}
