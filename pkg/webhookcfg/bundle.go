package webhookcfg

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// Mended returns what a caBundle must be, and whether that differs from what it
// is. retired marks CAs that must go though they are not expired. With no wanted
// CA the caBundle is left as it is.
func Mended(live []byte, want []*x509.Certificate, retired func(*x509.Certificate) bool, now time.Time) (text []byte, changed bool) {
	want = pki.Unexpired(want, now)
	if len(want) == 0 {
		return live, false
	}
	have, rubbish := pki.ScanBundle(live)
	var keep []*x509.Certificate
	for _, ca := range pki.Unexpired(have, now) {
		if pki.Contains(want, ca) || !retired(ca) {
			keep = append(keep, ca)
		}
	}
	result := pki.Union(keep, want)
	// Nothing was dropped, doubled or added when the union of what is kept with what
	// is wanted is as long as what is there.
	if !rubbish && len(keep) == len(have) && len(result) == len(have) {
		return live, false
	}
	return pki.EncodeBundle(result), true
}

// superseded reports whether ca is an earlier CA of ours: not wanted, and older
// than the newest wanted one. A younger one is left alone, because then it is not
// the CA that is out of date but what is known here about the Secret.
func superseded(ca *x509.Certificate, want []*x509.Certificate, ours func(*x509.Certificate) bool) bool {
	if !ours(ca) || pki.Contains(want, ca) {
		return false
	}
	for _, w := range want {
		if ours(w) && ca.NotBefore.Before(w.NotBefore) {
			return true
		}
	}
	return false
}

// reason says what is wrong with a caBundle, for the log.
func reason(text []byte, want []*x509.Certificate, now time.Time) string {
	have, rubbish := pki.ScanBundle(text)
	missing := 0
	for _, ca := range want {
		if !pki.Contains(have, ca) {
			missing++
		}
	}
	switch {
	case len(text) == 0:
		return "it was empty"
	case len(have) == 0:
		return "it held no certificate"
	case missing > 0:
		return fmt.Sprintf("it lacked %d of %d wanted CAs", missing, len(want))
	case rubbish:
		return "it held something else than CAs"
	case len(pki.Unexpired(have, now)) < len(have):
		return "it held an expired CA"
	}
	return "it held an earlier CA that is not needed any more"
}

// earliest returns the earlier of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// operation is one step of an RFC 6902 patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// entry is one webhook of a configuration.
type entry struct {
	index int
	name  string
	live  []byte
}

// patch writes the given caBundles, by index, into config as it was read. The
// tests make it fail instead of hitting another entry or another state.
func patch(config *configuration, bundles map[int][]byte) ([]byte, error) {
	ops := []operation{
		{Op: "test", Path: "/metadata/uid", Value: config.uid},
		{Op: "test", Path: "/metadata/resourceVersion", Value: config.resourceVersion},
	}
	for i := range config.webhooks {
		bundle, ok := bundles[i]
		if !ok {
			continue
		}
		at := fmt.Sprintf("/webhooks/%d", i)
		ops = append(ops,
			operation{Op: "test", Path: at + "/name", Value: config.webhooks[i].name},
			// add replaces a value that is there. encoding/json writes []byte in
			// base64, as the API wants it.
			operation{Op: "add", Path: at + "/clientConfig/caBundle", Value: bundle},
		)
	}
	return json.Marshal(ops)
}
