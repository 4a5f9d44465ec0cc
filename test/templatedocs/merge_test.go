package templatedocs

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// merging is what a template renders, merged onto a pod.
type merging struct{ title, pod, rendered, gives string }

var mergings = []merging{
	{
		"A list with a merge key is merged item by item: an item of the same key is changed, another one is added.",
		`
spec:
  containers:
  - name: app
    image: app:1
    env:
    - {name: LEVEL, value: info}`,
		`
spec:
  containers:
  - name: app
    env:
    - {name: PROXY, value: localhost:8000}
  - name: hello-proxy
    image: hello-proxy:1`,
		`
spec:
  containers:
  - name: app
    image: app:1
    env:
    - {name: PROXY, value: localhost:8000}
    - {name: LEVEL, value: info}
  - name: hello-proxy
    image: hello-proxy:1`,
	},
	{
		"Any other list is replaced as a whole; so is text.",
		`
spec:
  containers:
  - name: app
    image: app:1
    args: [serve, --fast]`,
		`
spec:
  containers:
  - name: app
    args: [serve]`,
		`
spec:
  containers:
  - name: app
    image: app:1
    args: [serve]`,
	},
	{
		"`null` removes a field.",
		`
spec:
  hostname: web
  containers:
  - {name: app, image: app:1}`,
		`
spec:
  hostname: null`,
		`
spec:
  containers:
  - {name: app, image: app:1}`,
	},
	{
		"`$patch: delete` removes an item.",
		`
spec:
  containers:
  - {name: app, image: app:1}
  - {name: old-proxy, image: old:1}`,
		`
spec:
  containers:
  - {name: old-proxy, $patch: delete}`,
		`
spec:
  containers:
  - {name: app, image: app:1}`,
	},
	{
		"`$patch: replace` replaces an object, or a whole list, instead of merging it.",
		`
spec:
  securityContext: {runAsUser: 1000, fsGroup: 2000}
  containers:
  - {name: app, image: app:1}
  volumes:
  - {name: data, emptyDir: {}}`,
		`
spec:
  securityContext: {runAsNonRoot: true, $patch: replace}
  volumes:
  - $patch: replace
  - {name: proxy-data, emptyDir: {medium: Memory}}`,
		`
spec:
  securityContext: {runAsNonRoot: true}
  containers:
  - {name: app, image: app:1}
  volumes:
  - {name: proxy-data, emptyDir: {medium: Memory}}`,
	},
	{
		"`$setElementOrder/NAME` gives a list its order.",
		`
spec:
  containers:
  - {name: app, image: app:1}`,
		`
spec:
  $setElementOrder/containers:
  - {name: hello-proxy}
  - {name: app}
  containers:
  - {name: hello-proxy, image: hello-proxy:1}`,
		`
spec:
  containers:
  - {name: hello-proxy, image: hello-proxy:1}
  - {name: app, image: app:1}`,
	},
	{
		"`$retainKeys` removes the fields that it does not name, as where a volume gets another source.",
		`
spec:
  containers:
  - {name: app, image: app:1}
  volumes:
  - {name: cache, emptyDir: {}}`,
		`
spec:
  volumes:
  - name: cache
    $retainKeys: [name, hostPath]
    hostPath: {path: /var/cache}`,
		`
spec:
  containers:
  - {name: app, image: app:1}
  volumes:
  - {name: cache, hostPath: {path: /var/cache}}`,
	},
	{
		"`$deleteFromPrimitiveList/NAME` removes items of a list of plain values that is merged.",
		`
metadata:
  finalizers: [example.com/a, example.com/b]`,
		`
metadata:
  $deleteFromPrimitiveList/finalizers: [example.com/a]`,
		`
metadata:
  finalizers: [example.com/b]`,
	},
}

func TestMergingsGiveWhatTheySay(t *testing.T) {
	for _, m := range mergings {
		pod, err := podmodel.Decode(t.Context(), toJSON(t, m.pod))
		if err != nil {
			t.Fatal(err)
		}
		overlay, err := merge.ParseOverlay(t.Context(), []byte(m.rendered))
		if err != nil {
			t.Fatal(err)
		}
		if err := overlay.Apply(pod); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := said(t, got), said(t, toJSON(t, m.gives)); !reflect.DeepEqual(a, b) {
			t.Errorf("%s\ngives %v\nwant  %v", m.title, a, b)
		}
	}
}

func toJSON(t *testing.T, text string) []byte {
	t.Helper()
	out, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// said is a pod without what Go's types write for nothing.
func said(t *testing.T, pod []byte) any {
	t.Helper()
	var typed corev1.Pod
	if err := json.Unmarshal(pod, &typed); err != nil {
		t.Fatal(err)
	}
	return typed
}

func mergingSection(*testing.T) string {
	var out strings.Builder
	for _, m := range mergings {
		fmt.Fprintf(&out, "%s\n\n", m.title)
		out.WriteString(block("yaml", "# the pod"+m.pod+"\n---\n# what the template renders"+m.rendered+"\n---\n# the injected pod"+m.gives))
		out.WriteString("\n")
	}
	return out.String()
}

// mergeKeysSection lists the lists of a pod that merge, by the schema that merging
// follows.
func mergeKeysSection(*testing.T) string {
	var rows []string
	var walk func(path string, at *podschema.Type, depth int)
	walk = func(path string, at *podschema.Type, depth int) {
		if at.Kind != podschema.Struct || depth > 5 {
			return
		}
		for i := range at.Fields {
			f := &at.Fields[i]
			where := strings.TrimPrefix(path+"."+f.Name, ".")
			if f.Name == "status" && path == "" || strings.HasSuffix(path, "phemeralContainers") || f.Name == "managedFields" {
				continue
			}
			if f.Merge {
				key := "the value itself"
				if f.MergeKey != "" {
					key = code(f.MergeKey)
				}
				rows = append(rows, fmt.Sprintf("| %s | %s |\n", code(where), key))
			}
			below := f.Type
			for below.Elem != nil {
				below = below.Elem
			}
			if f.Name != "initContainers" && f.Name != "ephemeralContainers" { // as containers
				walk(where, below, depth+1)
			}
		}
	}
	walk("", podschema.Pod(), 0)
	slices.Sort(rows)
	return "| list | key |\n|---|---|\n" + strings.Join(rows, "") + "\nLists in `spec.initContainers` merge as those in `spec.containers` do.\n"
}

// orderedTemplate injects the two containers that have places of their own, and two
// that have none.
const orderedTemplate = `
spec:
  initContainers:
  - {name: istio-init, image: a}
  - {name: warm-up, image: b}
  containers:
  - {name: istio-proxy, image: c}
  - {name: hello-proxy, image: d}
`

const orderedNative = `
spec:
  initContainers:
  - {name: istio-init, image: a}
  - {name: istio-proxy, image: c, restartPolicy: Always}
  - {name: hello-proxy, image: d, restartPolicy: Always}
`

// orderSection injects a pod and says in which order its containers are.
func orderSection(t *testing.T) string {
	var out strings.Builder
	out.WriteString("| a template with | the pod's containers are then, in this order |\n|---|---|\n")
	for _, c := range []struct{ what, template, mesh string }{
		{"init container `istio-init` and `warm-up`, containers `istio-proxy` and `hello-proxy`", orderedTemplate, ""},
		{"the same, and `holdApplicationUntilProxyStarts: true` in the proxy configuration", orderedTemplate, "defaultConfig: {holdApplicationUntilProxyStarts: true}"},
		{"`istio-init`, `istio-proxy` and `hello-proxy` as native sidecars", orderedNative, ""},
	} {
		fmt.Fprintf(&out, "| %s | %s |\n", c.what, ordered(t, c.template, c.mesh))
	}
	return out.String()
}

func ordered(t *testing.T, template, mesh string) string {
	t.Helper()
	text, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, found := inject.Load(context.Background(), config.Sources{
		Inject: config.Source{Name: "config", Data: fmt.Appendf(nil, "policy: enabled\ntemplates: {sidecar: %s}\n", text)},
		Mesh:   config.Source{Name: "mesh", Data: []byte(mesh)},
	}, inject.Options{})
	if found.Err() != nil {
		t.Fatal(found.Err())
	}
	result := snapshot.Inject(t.Context(), inject.Request{Namespace: "shop", Object: toJSON(t, `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: setup, image: setup}]
  containers: [{name: app, image: app}]`)})
	if result.Pod == nil {
		t.Fatal(result.Err)
	}
	var names []string
	for _, c := range result.Pod.Spec.InitContainers {
		kind := " (init)"
		if c.RestartPolicy != nil {
			kind = " (native sidecar)"
		}
		names = append(names, code(c.Name)+kind)
	}
	for _, c := range result.Pod.Spec.Containers {
		names = append(names, code(c.Name))
	}
	return strings.Join(names, ", ")
}
