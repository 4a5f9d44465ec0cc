package certs

import (
	"fmt"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// tellTroubles logs each trouble with the Secret once, and its end.
func (c *Controller) tellTroubles(v verdict, exists bool) {
	s := v.input.Secret
	until := "nothing can be served"
	if b := c.o.Source.Current(); b != nil {
		until = "serving on from memory until " + b.Leaf.Cert.NotAfter.UTC().Format(time.RFC3339)
	}
	kind := pki.KindOf(v.leafErr)
	for _, t := range []struct {
		key      string
		is       bool
		sentence string
	}{
		{
			"secret-missing", !exists,
			fmt.Sprintf("secret %s does not exist, and only the chart may create it: run helm upgrade, or create it without data; %s", c.o.Secret, until),
		},
		{
			"secret-keys", exists && v.leafErr != nil && len(s.Strange) > 0 && s.Empty,
			fmt.Sprintf("secret %s holds %s but not %s, %s and %s: is it another program's secret?",
				c.o.Secret, strings.Join(s.Strange, ", "), KeyChain, KeyPrivate, KeyRoots),
		},
		{
			"secret-unusable", exists && v.leafErr != nil && !s.Empty,
			fmt.Sprintf("secret %s cannot be used: %v; %s", c.o.Secret, v.leafErr, until),
		},
		{
			"clock-skew", kind == pki.NotYetValid,
			fmt.Sprintf("the clock of this node, or of the one that made the certificate, is wrong by more than %s: %v", pki.Backdate, v.leafErr),
		},
		{
			"secret-shared", c.rivals.fighting(v.input.Now),
			fmt.Sprintf("secret %s keeps changing to a certificate for other names: two releases use it; give each its own secret", c.o.Secret),
		},
	} {
		if t.is {
			c.trouble.Report(t.key, t.sentence)
		} else {
			c.trouble.Clear(t.key)
		}
	}
}

// rivals notices that somebody with other DNS names uses the same Secret: the
// certificate is made to fit again and again. Without a brake each would undo the
// other's write at once, for ever.
type rivals struct {
	last  time.Time
	count int
}

// rivalsWindow is how long after a repair the next one for the same reason counts
// as a fight.
const rivalsWindow = 10 * time.Minute

// wrote takes in a write and returns when the next one may follow.
func (r *rivals) wrote(v verdict, now time.Time) time.Time {
	if pki.KindOf(v.leafErr) != pki.MissingName {
		return time.Time{}
	}
	if now.Sub(r.last) > rivalsWindow {
		r.count = 0
	}
	r.last, r.count = now, r.count+1
	if r.count == 1 {
		return time.Time{}
	}
	return now.Add(min(time.Second<<min(r.count, 10), rivalsWindow/2))
}

func (r *rivals) fighting(now time.Time) bool {
	return r.count > 1 && now.Sub(r.last) <= rivalsWindow
}
