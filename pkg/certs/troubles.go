package certs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// troubles are what is wrong with the Secret.
func (c *Controller) troubles(v verdict) []trouble.Trouble {
	s, exists := v.input.Secret, v.input.Exists
	var all []trouble.Trouble
	add := func(key, format string, args ...any) {
		all = append(all, trouble.Trouble{Key: key, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case !exists:
		add("secret-missing", "%s does not exist, and only the chart may create it: run helm upgrade, or create it without data; %s", c.writer.object(), c.servingUntil())
	case v.leafErr != nil && !s.Empty:
		add("secret-unusable", "%s cannot be used: %v; %s", c.writer.object(), v.leafErr, c.servingUntil())
	case v.leafErr != nil && len(s.UnknownKeys) > 0:
		add("secret-keys", "%s holds %s but not %s, %s and %s: is it another program's secret?",
			c.writer.object(), strings.Join(s.UnknownKeys, ", "), KeyChain, KeyPrivate, KeyRoots)
	}
	if pki.KindOf(v.leafErr) == pki.NotYetValid {
		add("clock-skew", "the clock of this node, or of the one that made the certificate, is wrong by more than %s: %v", pki.Backdate, v.leafErr)
	}
	if c.contention.lasts(v.input.Now) {
		add("secret-shared", "%s keeps changing to a certificate for other names: two releases use it; give each its own secret", c.writer.object())
	}
	return all
}

func (c *Controller) servingUntil() string {
	served := c.o.Source.Current()
	if served == nil {
		return "nothing can be served"
	}
	return "serving on from memory until " + served.Leaf.Cert.NotAfter.UTC().Format(time.RFC3339)
}

func (c *Controller) readFailed(err error) trouble.Trouble {
	return trouble.Trouble{Key: "secret-watch", Message: err.Error() + "; serving on with the certificate in memory"}
}

func (c *Controller) writeFailed(err error) trouble.Trouble {
	key := "secret-write"
	if applying := (*applyError)(nil); errors.As(err, &applying) {
		key = "issue"
	}
	return trouble.Trouble{Key: key, Message: err.Error()}
}

func (c *Controller) budgetSpent() trouble.Trouble {
	return trouble.Trouble{Key: "secret-fight", Message: fmt.Sprintf(
		"%s had to be written again and again, and further writes wait: compare the clocks of the nodes, and find who else writes it (kubectl get secret --namespace %s %s --show-managed-fields -o yaml)",
		c.writer.object(), c.o.Secret.Namespace, c.o.Secret.Name)}
}

// contention notices that somebody with other DNS names uses the same Secret: the
// certificate is made to fit again and again. Without a brake each would undo the
// other's write at once, for ever.
type contention struct {
	last      time.Time // of the last repair
	count     int
	notBefore time.Time // of the next one
}

// contentionWindow is how long after a repair the next one for the same reason
// counts as contention.
const contentionWindow = 10 * time.Minute

// wrote takes in a write.
func (c *contention) wrote(v verdict, now time.Time) {
	c.notBefore = time.Time{}
	if pki.KindOf(v.leafErr) != pki.MissingName {
		return
	}
	if now.Sub(c.last) > contentionWindow {
		c.count = 0
	}
	c.last, c.count = now, c.count+1
	if c.count > 1 {
		c.notBefore = now.Add(min(time.Second<<min(c.count, 10), contentionWindow/2))
	}
}

func (c *contention) lasts(now time.Time) bool {
	return c.count > 1 && now.Sub(c.last) <= contentionWindow
}

// ends is when it is over if nothing more happens; zero when it does not last.
func (c *contention) ends(now time.Time) time.Time {
	if !c.lasts(now) {
		return time.Time{}
	}
	return c.last.Add(contentionWindow + 1)
}
