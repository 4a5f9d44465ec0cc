package webhookcfg

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// live is what the webhook configurations in the cluster hold, as they were read
// last.
type live struct {
	wording
	names   []string // of configurations
	entries []string // names of webhook entries

	mu      sync.Mutex
	seen    map[string]*configuration // nil value: does not exist
	trusted []*x509.Certificate
	exists  bool
	since   map[string]time.Time // key: the certificate's bytes
	// Configurations whose watch fails, and whose last read failed.
	watchBroken, readFailed map[string]bool
}

func newLive(names, entryNames []string) *live {
	return &live{
		wording: mutatingWording(), names: names, entries: entryNames,
		seen: map[string]*configuration{}, since: map[string]time.Time{},
		watchBroken: map[string]bool{}, readFailed: map[string]bool{},
	}
}

// observe takes in what a configuration is now (nil: there is none) and reports
// whether this is news. Versions that go backwards are news, too: that is what a
// restore of etcd looks like.
func (l *live) observe(name string, config *configuration, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, read := l.seen[name]
	failed := l.readFailed[name]
	delete(l.readFailed, name)
	if read && reflect.DeepEqual(old, config) {
		return failed
	}
	l.seen[name] = config
	l.trusted, l.exists = l.common()
	since := map[string]time.Time{}
	for _, ca := range l.trusted {
		at, ok := l.since[string(ca.Raw)]
		if !ok || unseenBetween(old, config) {
			at = now
		}
		since[string(ca.Raw)] = at
	}
	l.since = since
	return true
}

// unseenBetween reports whether the webhooks may have been something else between
// two reads: the API server counts their changes in metadata.generation.
func unseenBetween(old, config *configuration) bool {
	if old == nil || config == nil {
		return false // what did not exist has no past
	}
	changes := config.generation - old.generation
	return config.uid != old.uid || changes < 0 || changes > 1
}

// unread takes in that a configuration could not be read.
func (l *live) unread(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readFailed[name] = true
}

// watching takes in that the watch of a configuration works, or fails, and reports
// whether this is news. While it fails changes are not told of, so the time of
// what is trusted begins anew when it works again.
func (l *live) watching(name string, works bool, now time.Time) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if works != l.watchBroken[name] {
		return false
	}
	if !works {
		l.watchBroken[name] = true
		return true
	}
	delete(l.watchBroken, name)
	for key := range l.since {
		l.since[key] = now
	}
	return true
}

// common are the CAs that all entries have; exists is false without any entry.
// Before all configurations have been read, nothing counts as trusted.
func (l *live) common() (cas []*x509.Certificate, exists bool) {
	first := true
	for _, name := range l.names {
		config, read := l.seen[name]
		if !read {
			return nil, true
		}
		if config == nil {
			continue
		}
		for _, e := range config.entries(l.entries) {
			here, _ := pki.ScanBundle(e.live)
			if first {
				cas, first = pki.Union(here), false
				continue
			}
			var both []*x509.Certificate
			for _, ca := range cas {
				if pki.Contains(here, ca) {
					both = append(both, ca)
				}
			}
			cas = both
		}
	}
	return cas, !first
}

// Live implements the certificates' view of the cluster: the CAs that every
// webhook entry holds. known is false when there is no entry. As long as a
// configuration has not been read, it is assumed to be there and to trust nobody.
func (l *live) Live() (cas []*x509.Certificate, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) == 0 {
		return nil, true
	}
	return l.trusted, l.exists
}

// Since is when Live began to hold ca without a gap, by this process's clock and
// reading. It is zero when Live does not hold ca, and while a configuration cannot
// be read or watched, because a gap cannot be excluded then.
func (l *live) Since(ca *x509.Certificate) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watchBroken) > 0 || len(l.readFailed) > 0 {
		return time.Time{}
	}
	return l.since[string(ca.Raw)]
}

// Explain says why Live may hold less than hoped; nil when each configuration has
// been read, has an entry of ours, and the entry has a CA.
func (l *live) Explain() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, name := range l.names {
		config, read := l.seen[name]
		switch {
		case !read:
			errs = append(errs, fmt.Errorf("%s %s has not been read yet", l.title, name))
		case config == nil:
			errs = append(errs, fmt.Errorf("%s %s does not exist", l.title, name))
		default:
			errs = append(errs, l.explain(config, l.entries))
		}
	}
	return errors.Join(errs...)
}

// Fits reports of each configuration that exists and has been read, by its name,
// whether it has entries of ours and accepts is content with the CAs of each. While
// a watch fails, what was read last counts.
func (l *live) Fits(accepts func(roots []*x509.Certificate) bool) map[string]bool {
	l.mu.Lock()
	seen := maps.Clone(l.seen)
	l.mu.Unlock()
	fits := map[string]bool{}
	for name, config := range seen {
		if config == nil {
			continue
		}
		found := config.entries(l.entries)
		fits[name] = len(found) > 0
		for _, e := range found {
			cas, _ := pki.ScanBundle(e.live)
			fits[name] = fits[name] && accepts(cas)
		}
	}
	return fits
}

// wording is how a kind of configuration is called in messages, and what mends one
// that lacks our entry.
type wording struct{ title, mend string }

// explain says why a configuration may trust nobody; nil when its entries of these
// names have CAs.
func (w wording) explain(config *configuration, names []string) error {
	found := config.entries(names)
	if len(found) == 0 {
		var have []string
		for _, entry := range config.webhooks {
			have = append(have, entry.name)
		}
		return fmt.Errorf("%s %s has no entry named %s, only %q: %s",
			w.title, config.name, strings.Join(names, " or "), have, w.mend)
	}
	for _, e := range found {
		if cas, _ := pki.ScanBundle(e.live); len(cas) == 0 {
			return fmt.Errorf("caBundle of webhook %s in %s holds no CA", e.name, config.name)
		}
	}
	return nil
}
