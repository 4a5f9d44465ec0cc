package dryrun

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// pod is what is sent.
type pod struct {
	what   string // for messages
	json   []byte
	trials []inject.Trial // that made it
}

// distinct makes the trials into pods of the namespace, those that are the same only
// once.
func distinct(trials []inject.Trial, namespace string) []pod {
	var out []pod
	at := map[[sha256.Size]byte]int{}
	for i, t := range trials {
		sum := sha256.Sum256(fit(t.Pod, "", namespace))
		same, seen := at[sum]
		if !seen {
			same = len(out)
			at[sum] = same
			out = append(out, pod{what: describe(t), json: fit(t.Pod, fmt.Sprintf("sidecar-injector-dry-run-%d", i), namespace)})
		}
		out[same].trials = append(out[same].trials, t)
	}
	return out
}

func describe(t inject.Trial) string {
	if len(t.Templates) == 0 {
		return fmt.Sprintf("sample pod %q", t.Name)
	}
	return fmt.Sprintf("sample pod %q with the templates %s", t.Name, strings.Join(t.Templates, ", "))
}

// fit changes what is about the place of a pod and not about the templates: its
// name and namespace, owners, which are not there, and the service account, which
// is one of the users' namespaces. The label keeps an injector that is installed
// from injecting once more. What is no pod at all stays as it is: the API server
// says so.
func fit(raw []byte, name, namespace string) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || object == nil {
		return raw
	}
	object["apiVersion"], object["kind"] = json.RawMessage(`"v1"`), json.RawMessage(`"Pod"`)
	delete(object, "status")
	within(object, "metadata", func(meta map[string]json.RawMessage) {
		for _, field := range []string{"generateName", "ownerReferences", "uid", "resourceVersion", "selfLink"} {
			delete(meta, field)
		}
		meta["name"], meta["namespace"] = text(name), text(namespace)
		within(meta, "labels", func(labels map[string]json.RawMessage) { labels["sidecar.istio.io/inject"] = text("false") })
	})
	within(object, "spec", func(spec map[string]json.RawMessage) {
		for _, field := range []string{"serviceAccountName", "serviceAccount"} {
			var account string
			if json.Unmarshal(spec[field], &account) == nil && len(validation.IsDNS1123Subdomain(account)) == 0 {
				delete(spec, field) // the API server puts "default" there
			}
		}
	})
	out, err := json.Marshal(object)
	if err != nil {
		return raw
	}
	return out
}

// within changes the object in a field; it makes it where there is none, and leaves
// alone what is no object.
func within(object map[string]json.RawMessage, field string, change func(map[string]json.RawMessage)) {
	inner := map[string]json.RawMessage{}
	if old, ok := object[field]; ok {
		if json.Unmarshal(old, &inner) != nil {
			return
		}
		if inner == nil { // null
			inner = map[string]json.RawMessage{}
		}
	}
	change(inner)
	if changed, err := json.Marshal(inner); err == nil {
		object[field] = changed
	}
}

func text(s string) json.RawMessage {
	out, _ := json.Marshal(s) // a string always marshals
	return out
}
