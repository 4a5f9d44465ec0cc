package webhookcfg

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

var (
	start   = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	subject = pki.CASubject("istio-system", "certs")
)

func ca(t testing.TB, s pki.Subject, second int, validity time.Duration) *x509.Certificate {
	t.Helper()
	pair, err := pki.NewCA(pki.CARequest{Subject: s, Validity: validity}, start.Add(time.Duration(second)*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Cert
}

func text(cas ...*x509.Certificate) []byte { return pki.EncodeBundle(cas) }

func TestMended(t *testing.T) {
	a, b := ca(t, subject, 0, time.Hour), ca(t, subject, 10, time.Hour)
	expired := ca(t, subject, -7200, time.Hour)
	foreign := ca(t, pki.Subject{CommonName: "cert-manager"}, 5, time.Hour)
	foreignExpired := ca(t, pki.Subject{CommonName: "cert-manager"}, -7200, time.Hour)
	list := func(cas ...*x509.Certificate) []*x509.Certificate { return cas }

	tests := map[string]struct {
		live []byte
		want []*x509.Certificate
		gone []*x509.Certificate // retired
		out  []*x509.Certificate // nil: unchanged
	}{
		"right":                      {text(a), list(a), nil, nil},
		"right, other order":         {text(a, b), list(b, a), nil, nil},
		"empty":                      {nil, list(b, a), nil, list(b, a)},
		"rubbish":                    {[]byte("Cg=="), list(a), nil, list(a)},
		"rubbish beside the right":   {append(text(a), "hello"...), list(a), nil, list(a)},
		"next CA missing":            {text(a), list(b, a), nil, list(b, a)},
		"twice":                      {text(a, a), list(a), nil, list(a)},
		"expired of ours":            {text(a, expired), list(a), nil, list(a)},
		"foreign is kept":            {text(foreign, a), list(a), nil, nil},
		"foreign is kept, ours put":  {text(foreign), list(a), nil, list(foreign, a)},
		"expired foreign":            {text(a, foreignExpired), list(a), nil, list(a)},
		"retired":                    {text(b, a), list(b), list(a), list(b)},
		"retired but wanted":         {text(b, a), list(b, a), list(a), nil},
		"nothing wanted yet":         {[]byte("rubbish"), nil, nil, nil},
		"only an expired one wanted": {text(a), list(expired), nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, changed := Mended(tt.live, tt.want, func(c *x509.Certificate) bool { return pki.Contains(tt.gone, c) }, start)
			if changed != (tt.out != nil) {
				t.Fatalf("changed %v", changed)
			}
			if !changed {
				if !bytes.Equal(got, tt.live) {
					t.Error("unchanged, but another text")
				}
				return
			}
			cas, rubbish := pki.ScanBundle(got)
			if rubbish || !slices.EqualFunc(cas, tt.out, (*x509.Certificate).Equal) {
				t.Errorf("%d CAs, rubbish %v; want %d, newest first", len(cas), rubbish, len(tt.out))
			}
			if again, changed := Mended(got, tt.want, func(c *x509.Certificate) bool { return pki.Contains(tt.gone, c) }, start); changed || !bytes.Equal(again, got) {
				t.Error("mending twice changes again")
			}
		})
	}
}

func TestSuperseded(t *testing.T) {
	a, b := ca(t, subject, 0, time.Hour), ca(t, subject, 10, time.Hour)
	foreign := ca(t, pki.Subject{CommonName: "x"}, -10, time.Hour)
	for name, tt := range map[string]struct {
		ca   *x509.Certificate
		want []*x509.Certificate
		is   bool
	}{
		"older, unwanted":                  {a, []*x509.Certificate{b}, true},
		"older, wanted":                    {a, []*x509.Certificate{b, a}, false},
		"younger: our view is out of date": {b, []*x509.Certificate{a}, false},
		"foreign":                          {foreign, []*x509.Certificate{b}, false},
		"nothing wanted":                   {a, nil, false},
	} {
		if got := superseded(tt.ca, tt.want, subject.Is); got != tt.is {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func config(version string, bundles ...[]byte) *admissionv1.MutatingWebhookConfiguration {
	c := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "injector", UID: "u-1", ResourceVersion: version}}
	for i, bundle := range bundles {
		name := []string{"other.example.com", "sidecar-injector.istio.io", "third.example.com"}[i]
		c.Webhooks = append(c.Webhooks, admissionv1.MutatingWebhook{Name: name, ClientConfig: admissionv1.WebhookClientConfig{CABundle: bundle}})
	}
	return c
}

// The patch changes one field of one entry, or fails: applied by a library that
// is not ours.
func TestPatch(t *testing.T) {
	read := config("7", []byte("one"), nil)
	body, err := patch(mutating(read), map[int][]byte{1: []byte("bundle")})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonpatch.DecodePatch(body)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(c *admissionv1.MutatingWebhookConfiguration) (*admissionv1.MutatingWebhookConfiguration, error) {
		doc, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if doc, err = decoded.Apply(doc); err != nil {
			return nil, err
		}
		out := &admissionv1.MutatingWebhookConfiguration{}
		return out, json.Unmarshal(doc, out)
	}
	got, err := apply(read)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Webhooks[1].ClientConfig.CABundle) != "bundle" || string(got.Webhooks[0].ClientConfig.CABundle) != "one" {
		t.Errorf("patched to %+v", got.Webhooks)
	}
	swapped := config("7", []byte("one"), nil)
	slices.Reverse(swapped.Webhooks)
	recreated := config("7", []byte("one"), nil)
	recreated.UID = "u-2"
	for name, other := range map[string]*admissionv1.MutatingWebhookConfiguration{
		"entries in another order": swapped, "changed since": config("8", []byte("one"), nil),
		"created again": recreated, "entry gone": config("7", []byte("one")),
	} {
		if _, err := apply(other); err == nil {
			t.Errorf("%s: the patch went through", name)
		}
	}
}

func TestLive(t *testing.T) {
	a, b := ca(t, subject, 0, time.Hour), ca(t, subject, 10, time.Hour)
	l := newLive([]string{"one", "two"}, []string{"sidecar-injector.istio.io"})
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	check := func(when string, known bool, since map[*x509.Certificate]int) {
		t.Helper()
		cas, k := l.Live()
		if k != known || len(cas) != len(since) {
			t.Errorf("%s: known %v, %d CAs; want %v, %d", when, k, len(cas), known, len(since))
		}
		for c, second := range since {
			if !l.Since(c).Equal(at(second)) {
				t.Errorf("%s: since %v, want second %d", when, l.Since(c), second)
			}
		}
	}
	check("before anything is read", true, nil)
	l.observe("one", mutating(config("1", nil, text(a))), at(1))
	check("one of two read", true, nil)
	l.observe("two", nil, at(2))
	check("the other does not exist", true, map[*x509.Certificate]int{a: 2})
	l.observe("one", mutating(config("2", nil, text(b, a))), at(3))
	check("b comes", true, map[*x509.Certificate]int{a: 2, b: 3})
	l.observe("two", mutating(config("5", nil, text(a))), at(4))
	check("the other has a alone", true, map[*x509.Certificate]int{a: 2})
	l.observe("two", mutating(config("6", nil, text(a, b))), at(5))
	check("b is everywhere", true, map[*x509.Certificate]int{a: 2, b: 5})
	if l.observe("one", mutating(config("2", nil, text(b, a))), at(6)) {
		t.Error("the same again was taken for news")
	}
	check("read again", true, map[*x509.Certificate]int{a: 2, b: 5})
	if !l.observe("one", mutating(config("1", nil, nil)), at(7)) {
		t.Error("what a restore brought back was dropped")
	}
	check("restored without CAs", true, nil)
	l.observe("one", mutating(config("9", nil, nil)), at(7))
	check("emptied", true, nil)
	l.observe("one", mutating(config("10", nil, text(a, b))), at(8))
	check("the time starts anew", true, map[*x509.Certificate]int{a: 8, b: 8})
	if err := l.Explain(); err != nil {
		t.Error(err)
	}
	l.watching("one", true, at(9))
	check("the watch goes on", true, map[*x509.Certificate]int{a: 8, b: 8})
	l.watching("one", false, at(10))
	if !l.Since(a).IsZero() {
		t.Error("testifies without seeing")
	}
	l.watching("one", true, at(11))
	check("sees again", true, map[*x509.Certificate]int{a: 11, b: 11})
	l.unread("two")
	if !l.Since(a).IsZero() {
		t.Error("testifies though a read failed")
	}
	if !l.observe("two", mutating(config("6", nil, text(a, b))), at(12)) {
		t.Error("that it can be read again is no news")
	}
	check("read again", true, map[*x509.Certificate]int{a: 11, b: 11})
	l.observe("one", nil, at(9))
	l.observe("two", nil, at(9))
	check("nobody calls", false, nil)
	if err := l.Explain(); err == nil {
		t.Error("nothing to explain though nothing exists")
	}
}

// Between two reads the caBundle may have been empty: the API server counts the
// changes.
func TestSinceAfterUnseenChanges(t *testing.T) {
	a := ca(t, subject, 0, time.Hour)
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	read := func(uid string, generation int64, version string) *admissionv1.MutatingWebhookConfiguration {
		c := config(version, nil, text(a))
		c.UID, c.Generation = types.UID(uid), generation
		return c
	}
	for name, tt := range map[string]struct {
		then *admissionv1.MutatingWebhookConfiguration
		want int
	}{
		"read again":                        {read("u-1", 5, "10"), 1},
		"changed elsewhere, not a webhook":  {read("u-1", 5, "11"), 1},
		"one change":                        {read("u-1", 6, "11"), 1},
		"two changes: it may have been out": {read("u-1", 7, "12"), 2},
		"deleted and created":               {read("u-2", 6, "12"), 2},
		"restored from a backup":            {read("u-1", 4, "9"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLive([]string{"one"}, []string{"sidecar-injector.istio.io"})
			l.observe("one", mutating(read("u-1", 5, "10")), at(1))
			l.observe("one", mutating(tt.then), at(2))
			if got := l.Since(a); !got.Equal(at(tt.want)) {
				t.Errorf("since second %v, want %d", got.Sub(start).Seconds(), tt.want)
			}
		})
	}
}

func TestFits(t *testing.T) {
	a, b := ca(t, subject, 0, time.Hour), ca(t, subject, 10, time.Hour)
	trustsA := func(roots []*x509.Certificate) bool { return pki.Contains(roots, a) }
	for name, tt := range map[string]struct {
		entries []string // names that are ours
		config  *admissionv1.MutatingWebhookConfiguration
		want    map[string]bool
	}{
		"trusted":                {[]string{"sidecar-injector.istio.io"}, config("1", nil, text(b, a)), map[string]bool{"injector": true}},
		"another CA":             {[]string{"sidecar-injector.istio.io"}, config("1", text(a), text(b)), map[string]bool{"injector": false}},
		"empty":                  {[]string{"sidecar-injector.istio.io"}, config("1", text(a), nil), map[string]bool{"injector": false}},
		"one of two entries":     {[]string{"other.example.com", "sidecar-injector.istio.io"}, config("1", text(b), text(a)), map[string]bool{"injector": false}},
		"no entry of that name":  {[]string{"typing.error"}, config("1", text(a), text(a)), map[string]bool{"injector": false}},
		"none of that name":      {[]string{"sidecar-injector.istio.io"}, nil, map[string]bool{}},
		"the other one not read": {[]string{"other.example.com"}, config("1", text(a)), map[string]bool{"injector": true}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLive([]string{"injector", "unread"}, tt.entries)
			var seen *configuration
			if tt.config != nil {
				seen = mutating(tt.config)
			}
			l.observe("injector", seen, start)
			if got := l.Fits(trustsA); !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
