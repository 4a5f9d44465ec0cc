package webhookcfg

import (
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

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

// entries are the webhooks of config that names chooses.
func entries(config *admissionv1.MutatingWebhookConfiguration, names []string) []entry {
	var out []entry
	for i := range config.Webhooks {
		w := &config.Webhooks[i]
		for _, name := range names {
			if w.Name == name {
				out = append(out, entry{index: i, name: w.Name, live: w.ClientConfig.CABundle})
			}
		}
	}
	return out
}

// patch writes the given caBundles, by index, into config as it was read. The
// tests make it fail instead of hitting another entry or another state.
func patch(config *admissionv1.MutatingWebhookConfiguration, bundles map[int][]byte) ([]byte, error) {
	ops := []operation{
		{Op: "test", Path: "/metadata/uid", Value: config.UID},
		{Op: "test", Path: "/metadata/resourceVersion", Value: config.ResourceVersion},
	}
	for i := range config.Webhooks {
		bundle, ok := bundles[i]
		if !ok {
			continue
		}
		at := fmt.Sprintf("/webhooks/%d", i)
		ops = append(ops,
			operation{Op: "test", Path: at + "/name", Value: config.Webhooks[i].Name},
			// add replaces a value that is there. encoding/json writes []byte in
			// base64, as the API wants it.
			operation{Op: "add", Path: at + "/clientConfig/caBundle", Value: bundle},
		)
	}
	return json.Marshal(ops)
}
