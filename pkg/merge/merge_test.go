package merge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// strategic merges an overlay onto a pod without unknown fields.
func strategic(pod *corev1.Pod, o *merge.Overlay) (*corev1.Pod, error) {
	out := (&podmodel.Pod{Pod: pod}).Copy()
	return out.Pod, o.Apply(out)
}

// container is merge.Container for containers without unknown fields.
func container(base, overlay *corev1.Container) (*corev1.Container, error) {
	out, err := merge.Container(context.Background(), podmodel.Container{Container: *base}, podmodel.Container{Container: *overlay})
	return &out.Container, err
}

func pod(t testing.TB, text string) *corev1.Pod {
	t.Helper()
	p := new(corev1.Pod)
	if err := yaml.UnmarshalStrict([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// Each case says what the merge must give; the library must say the same.
func TestStrategic(t *testing.T) {
	for _, tc := range []struct{ name, pod, overlay, want string }{
		{
			name:    "empty overlay",
			pod:     `spec: {containers: [{name: a}]}`,
			overlay: ``,
			want:    `spec: {containers: [{name: a}]}`,
		},
		{
			name:    "new items come first",
			pod:     `spec: {containers: [{name: app}]}`,
			overlay: `spec: {containers: [{name: istio-proxy, image: p}]}`,
			want:    `spec: {containers: [{name: istio-proxy, image: p}, {name: app}]}`,
		},
		{
			name:    "an item that both have is merged where it stands",
			pod:     `spec: {containers: [{name: a}, {name: istio-proxy, tty: true}, {name: z}]}`,
			overlay: `spec: {containers: [{name: istio-proxy, image: p}]}`,
			want:    `spec: {containers: [{name: a}, {name: istio-proxy, tty: true, image: p}, {name: z}]}`,
		},
		{
			name:    "labels and annotations",
			pod:     `metadata: {labels: {a: "1", b: "2"}}`,
			overlay: `metadata: {labels: {b: null, c: "3"}, annotations: {x/y~z: "1"}}`,
			want:    `metadata: {labels: {a: "1", c: "3"}, annotations: {x/y~z: "1"}}`,
		},
		{
			name:    "null deletes",
			pod:     `spec: {hostname: h, securityContext: {runAsUser: 1}, tolerations: [{key: a}], nodeSelector: {a: b}}`,
			overlay: `spec: {hostname: null, securityContext: null, tolerations: null, nodeSelector: ~}`,
			want:    `spec: {}`,
		},
		{
			name:    "an atomic list is replaced",
			pod:     `spec: {tolerations: [{key: a}, {key: b}]}`,
			overlay: `spec: {tolerations: [{key: c}]}`,
			want:    `spec: {tolerations: [{key: c}]}`,
		},
		{
			name:    "patch delete of an item",
			pod:     `spec: {containers: [{name: a, env: [{name: X, value: "1"}, {name: Y}]}]}`,
			overlay: `spec: {containers: [{name: a, env: [{name: X, $patch: delete}]}]}`,
			want:    `spec: {containers: [{name: a, env: [{name: Y}]}]}`,
		},
		{
			name:    "patch replace of a list",
			pod:     `spec: {imagePullSecrets: [{name: a}, {name: b}]}`,
			overlay: `spec: {imagePullSecrets: [{$patch: replace}, {name: z}, {name: a}]}`,
			want:    `spec: {imagePullSecrets: [{name: z}, {name: a}]}`,
		},
		{
			name:    "patch replace of an object",
			pod:     `spec: {securityContext: {runAsUser: 1, fsGroup: 2}}`,
			overlay: `spec: {securityContext: {$patch: replace, fsGroup: 3}}`,
			want:    `spec: {securityContext: {fsGroup: 3}}`,
		},
		{
			name:    "patch replace of an object that is not there",
			pod:     `spec: {hostname: h}`,
			overlay: `spec: {securityContext: {$patch: replace, fsGroup: 3}}`,
			want:    `spec: {hostname: h}`,
		},
		{
			name:    "patch delete of an object leaves an empty one",
			pod:     `spec: {securityContext: {runAsUser: 1}, nodeSelector: {a: b}}`,
			overlay: `spec: {securityContext: {$patch: delete}, nodeSelector: {$patch: delete}}`,
			want:    `spec: {securityContext: {}}`,
		},
		{
			name:    "set element order",
			pod:     `spec: {containers: [{name: a}, {name: b}, {name: c}]}`,
			overlay: `spec: {$setElementOrder/containers: [{name: c}, {name: d}, {name: a}], containers: [{name: d, image: x}]}`,
			want:    `spec: {containers: [{name: b}, {name: c}, {name: d, image: x}, {name: a}]}`,
		},
		{
			name:    "set element order alone",
			pod:     `spec: {containers: [{name: a}, {name: b}]}`,
			overlay: `spec: {$setElementOrder/containers: [{name: b}, {name: a}]}`,
			want:    `spec: {containers: [{name: b}, {name: a}]}`,
		},
		{
			name:    "set element order of scalars",
			pod:     `metadata: {finalizers: [a, b, c]}`,
			overlay: `metadata: {$setElementOrder/finalizers: [c, x, a], finalizers: [x]}`,
			want:    `metadata: {finalizers: [b, c, x, a]}`,
		},
		{
			name:    "set element order of a list that is new",
			pod:     `spec: {}`,
			overlay: `spec: {$setElementOrder/volumes: [{name: b}, {name: a}], volumes: [{name: b}, {name: a}]}`,
			want:    `spec: {volumes: [{name: b}, {name: a}]}`,
		},
		{
			name:    "scalars are joined without repeating",
			pod:     `metadata: {finalizers: [a, b]}`,
			overlay: `metadata: {finalizers: [c, b, c]}`,
			want:    `metadata: {finalizers: [c, a, b]}`,
		},
		{
			name:    "delete from a list of scalars",
			pod:     `metadata: {finalizers: [a, b, c]}`,
			overlay: `metadata: {$deleteFromPrimitiveList/finalizers: [a, x, c]}`,
			want:    `metadata: {finalizers: [b]}`,
		},
		{
			name:    "delete from an atomic list of scalars",
			pod:     `spec: {containers: [{name: a, args: [x, y, x]}]}`,
			overlay: `spec: {containers: [{name: a, $deleteFromPrimitiveList/args: [x]}]}`,
			want:    `spec: {containers: [{name: a, args: [y]}]}`,
		},
		{
			name:    "null for a deletion removes the list",
			pod:     `metadata: {finalizers: [a]}`,
			overlay: `metadata: {$deleteFromPrimitiveList/finalizers: null}`,
			want:    `metadata: {}`,
		},
		{
			name:    "retain keys of a volume",
			pod:     `spec: {volumes: [{name: v, emptyDir: {}}]}`,
			overlay: `spec: {volumes: [{name: v, $retainKeys: [name, secret], secret: {secretName: s}}]}`,
			want:    `spec: {volumes: [{name: v, secret: {secretName: s}}]}`,
		},
		{
			name:    "retain keys of a map",
			pod:     `metadata: {labels: {a: "1", b: "2"}}`,
			overlay: `metadata: {labels: {$retainKeys: [a, c], c: "3"}}`,
			want:    `metadata: {labels: {a: "1", c: "3"}}`,
		},
		{
			name:    "one port, two protocols: the first takes both",
			pod:     `spec: {containers: [{name: a, ports: [{containerPort: 53, protocol: TCP}, {containerPort: 80}, {containerPort: 53, protocol: UDP}]}]}`,
			overlay: `spec: {containers: [{name: a, ports: [{containerPort: 53, name: dns}]}]}`,
			want:    `spec: {containers: [{name: a, ports: [{containerPort: 53, protocol: TCP, name: dns}, {containerPort: 53, protocol: UDP}, {containerPort: 80}]}]}`,
		},
		{
			name:    "an overlay that names a port twice",
			pod:     `spec: {containers: [{name: a}]}`,
			overlay: `spec: {containers: [{name: b, ports: [{containerPort: 1, protocol: TCP}, {containerPort: 1, protocol: UDP}]}]}`,
			want:    `spec: {containers: [{name: b, ports: [{containerPort: 1, protocol: TCP}, {containerPort: 1, protocol: UDP}]}, {name: a}]}`,
		},
		{
			name:    "mounts by path, host aliases by ip, spread by topology key",
			pod:     `spec: {hostAliases: [{ip: 1.1.1.1, hostnames: [a]}], topologySpreadConstraints: [{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: x}], containers: [{name: a, volumeMounts: [{mountPath: /m, name: x}]}]}`,
			overlay: `spec: {hostAliases: [{ip: 1.1.1.1, hostnames: [b]}], topologySpreadConstraints: [{topologyKey: zone, maxSkew: 2}], containers: [{name: a, volumeMounts: [{mountPath: /m, name: w}, {mountPath: /n, name: x}]}]}`,
			want:    `spec: {hostAliases: [{ip: 1.1.1.1, hostnames: [b]}], topologySpreadConstraints: [{topologyKey: zone, maxSkew: 2, whenUnsatisfiable: x}], containers: [{name: a, volumeMounts: [{mountPath: /m, name: w}, {mountPath: /n, name: x}]}]}`,
		},
		{
			name:    "quantities, ports by name or number, probes",
			pod:     `spec: {containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}}, livenessProbe: {httpGet: {port: http}}}]}`,
			overlay: `spec: {containers: [{name: a, resources: {limits: {cpu: 100m}}, livenessProbe: {httpGet: {port: 8080, path: /x}, periodSeconds: 5.0}}]}`,
			want:    `spec: {containers: [{name: a, resources: {limits: {cpu: 100m, memory: 1Gi}}, livenessProbe: {httpGet: {port: 8080, path: /x}, periodSeconds: 5}}]}`,
		},
		{
			name:    "a new value is cleaned of nulls and directives",
			pod:     `spec: {}`,
			overlay: `spec: {securityContext: {runAsUser: null, fsGroup: 1}, volumes: [{name: a, emptyDir: {}}, {name: b, $patch: delete}], nodeSelector: {a: null, b: c}, dnsConfig: {$patch: delete}}`,
			want:    `spec: {securityContext: {fsGroup: 1}, volumes: [{name: a, emptyDir: {}}], nodeSelector: {b: c}}`,
		},
		{
			name:    "replace of the whole pod",
			pod:     `{metadata: {name: a}, spec: {hostname: h}}`,
			overlay: `{$patch: replace, spec: {hostname: i}}`,
			want:    `spec: {hostname: i}`,
		},
		{
			name:    "anchors",
			pod:     `spec: {}`,
			overlay: "spec:\n  nodeSelector: &x {a: b}\n  overhead: {cpu: 1}\n  volumes:\n  - name: v\n    csi: {driver: d, volumeAttributes: *x}\n",
			want:    `spec: {nodeSelector: {a: b}, overhead: {cpu: 1}, volumes: [{name: v, csi: {driver: d, volumeAttributes: {a: b}}}]}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base := pod(t, tc.pod)
			o, err := merge.ParseOverlay(context.Background(), []byte(tc.overlay))
			if err != nil {
				t.Fatal(err)
			}
			got, err := strategic(base, o)
			if err != nil {
				t.Fatal(err)
			}
			if w, g := mustYAML(t, pod(t, tc.want)), mustYAML(t, got); string(w) != string(g) {
				t.Errorf("want:\n%s\ngot:\n%s", w, g)
			}
			text, err := yaml.YAMLToJSON([]byte(tc.overlay))
			if err != nil {
				t.Fatal(err)
			}
			lib, err := library(base, text)
			if err != nil {
				t.Fatal(err)
			}
			if w, g := mustYAML(t, lib), mustYAML(t, got); string(w) != string(g) {
				t.Errorf("the library:\n%s\ngot:\n%s", w, g)
			}
		})
	}
}

// An error names the field by its path, says the value and what would be right.
func TestErrors(t *testing.T) {
	const base = `{metadata: {labels: {a: b}, finalizers: [f]}, spec: {securityContext: {fsGroup: 1}, tolerations: [{key: a}], containers: [{name: a, image: i, env: [{name: E}], ports: [{containerPort: 80}]}]}}`
	manyVolumes := ""
	for i := range 40 {
		manyVolumes += fmt.Sprintf("{name: v%d},", i)
	}
	long := strings.Repeat("x", 100)
	for _, tc := range []struct{ name, overlay, want string }{
		{"not YAML", "a: [", "is not valid YAML"},
		{"not an object", "[1, 2]", "is a list, must be an object"},
		{"just text", "hello", `is "hello", must be an object`},
		{"number for text", "spec: {containers: [{name: p, env: [{name: E, value: 5}]}]}", `spec.containers[p].env[E].value: is 5, must be text; put it in quotes`},
		{"bool for text", "metadata: {labels: {a: yes}}", `metadata.labels.a: is true, must be text; put it in quotes`},
		{"text for number", "spec: {containers: [{name: p, ports: [{containerPort: http}]}]}", `spec.containers[p].ports[0].containerPort: is "http", must be a whole number`},
		{"fraction", "spec: {priority: 1.5}", `spec.priority: is 1.5, must be a whole number`},
		{"too large", "spec: {priority: 3000000000}", `spec.priority: 3000000000 does not fit into a number of 32 bits`},
		{"text for bool", `spec: {hostNetwork: "true"}`, `spec.hostNetwork: is "true", must be true or false`},
		{"object for list", "spec: {containers: {name: a}}", `spec.containers: is an object, must be a list`},
		{"list for object", "spec: {securityContext: []}", `spec.securityContext: is a list, must be an object`},
		{"list for map", "metadata: {labels: [a]}", `metadata.labels: is a list, must be an object`},
		{"text for item", "spec: {containers: [a]}", `spec.containers[0]: is "a", must be an object`},
		{"null item", "spec: {containers: [~]}", `spec.containers[0]: is null, must be an object`},
		{"long values are cut", "spec: {containers: " + long + "}", `spec.containers: is "` + strings.Repeat("x", 59) + `..., must be a list`},
		{"quantity", "spec: {overhead: {cpu: lots}}", `spec.overhead.cpu: "lots" is not a valid Quantity`},
		{"no key", "spec: {containers: [{image: x}]}", `spec.containers[0]: has no name, by which the items of this list are told apart`},
		{"null key", "spec: {containers: [{name: null}]}", `spec.containers[0]: has no name`},
		{"unknown directive", "spec: {securityContext: {$patch: remove}}", `spec.securityContext.$patch: is "remove", must be "replace" or "delete"`},
		{"merge directive", "spec: {securityContext: {$patch: merge}}", `spec.securityContext.$patch: is "merge", must be "replace" or "delete"`},
		{"merge directive in a list", "spec: {containers: [{name: a, $patch: merge}]}", `spec.containers[a].$patch: is "merge", must be "replace" or "delete" in a list`},
		{"delete without key", "spec: {containers: [{$patch: delete}]}", `spec.containers[0]: has no name`},
		{"retain is no list", "spec: {securityContext: {$retainKeys: a}}", `spec.securityContext.$retainKeys: is "a", must be a list of names`},
		{"retain has numbers", "spec: {securityContext: {$retainKeys: [1]}}", `spec.securityContext.$retainKeys: contains 1, must be a list of names`},
		{"retain lacks a name", "spec: {securityContext: {$retainKeys: [fsGroup], runAsUser: 1}}", `spec.securityContext.$retainKeys: does not name "runAsUser", which is set beside it`},
		{"order of nothing", "spec: {$setElementOrder/nothing: []}", `spec.$setElementOrder/nothing: there is no list "nothing" to put in order`},
		{"order in a map", "metadata: {labels: {$setElementOrder/a: []}}", `metadata.labels.$setElementOrder/a: there is no list "a" to put in order`},
		{"order is no list", "spec: {$setElementOrder/containers: a}", `is "a", must be a list`},
		{"order without keys", "spec: {$setElementOrder/containers: [{}]}", `has no name`},
		{"order of an atomic list", "spec: {$setElementOrder/tolerations: [{key: a}]}", `have no key to be put in order by`},
		{"order that lacks an item", "spec: {$setElementOrder/containers: [{name: a}], containers: [{name: b}]}", `spec.containers[b]: is not where $setElementOrder/containers has it`},
		{"order that disagrees", "spec: {$setElementOrder/containers: [{name: a}, {name: b}], containers: [{name: b}, {name: a}]}", `spec.containers[a]: is not where $setElementOrder/containers has it`},
		{"order beside null", "spec: {$setElementOrder/containers: [{name: a}], containers: null}", `spec.containers: is null, must be a list to be put in order`},
		{"deletion is no list", "metadata: {$deleteFromPrimitiveList/finalizers: f}", `metadata.$deleteFromPrimitiveList/finalizers: is "f", must be a list`},
		{"deletion from a list of objects", "spec: {$deleteFromPrimitiveList/containers: [{name: a}]}", `spec.$deleteFromPrimitiveList/containers: is for lists of plain values; to delete from containers, list the item with $patch: delete`},
		{"deletion of nothing from a list of objects", "spec: {$deleteFromPrimitiveList/tolerations: []}", `is for lists of plain values`},
		{"a container twice", "spec: {containers: [{name: p}, {name: a}, {name: p}]}", `spec.containers[p]: is in the list twice: two elements have the same name; merge them into one`},
		{"a container twice, once deleted", "spec: {containers: [{name: p}, {name: p, $patch: delete}]}", `spec.containers[p]: is in the list twice`},
		{"a container twice, in a list that is replaced", "spec: {containers: [{$patch: replace}, {name: p}, {name: p}]}", `spec.containers[p]: is in the list twice`},
		{"a port twice", "spec: {containers: [{name: p, ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53}, {containerPort: 53, protocol: TCP}]}]}", `spec.containers[p].ports[2]: is in the list twice: two elements have the same containerPort and protocol; merge them into one`},
		{"a mount twice", "spec: {containers: [{name: p, volumeMounts: [{mountPath: /a, name: x}, {mountPath: /a, name: z}]}]}", `spec.containers[p].volumeMounts[z]: is in the list twice: two elements have the same mountPath`},
		{"a constraint twice", "spec: {topologySpreadConstraints: [{topologyKey: a, whenUnsatisfiable: x}, {topologyKey: a, whenUnsatisfiable: x}]}", `two elements have the same topologyKey and whenUnsatisfiable`},
		{"one of many twice", "spec: {volumes: [" + manyVolumes + "{name: v7}]}", `spec.volumes[v7]: is in the list twice`},
		{"directives beneath an item of the same merge key", "spec: {containers: [{name: a, ports: [{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP, $retainKeys: [containerPort, protocol]}]}]}", `spec.containers[a].ports[1]: has directives, and an item of the same containerPort stands before it in the list`},
		{"too deep", strings.Repeat("{a: ", 70) + strings.Repeat("}", 70), `nested more than 64 levels deep`},
		{"too long", strings.Repeat("# comment\n", 110_000), `is 1100000 bytes long, at most 1048576 are read`},
		{"too many values", "metadata: {x: [" + strings.Repeat("1,", 270_000) + "1]}", `more than 262144 values`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := merge.ParseOverlay(context.Background(), []byte(tc.overlay))
			if err == nil {
				_, err = strategic(pod(t, base), o)
			}
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %s\nwant %s", err, tc.want)
			}
			var typed *merge.Error
			if !errors.As(err, &typed) {
				t.Errorf("%T is not a *merge.Error", err)
			}
		})
	}
}

func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9), i)
	}
	if _, err := merge.ParseOverlay(context.Background(), []byte(b.String())); err == nil {
		t.Fatal("no error")
	}
}

// An entry given twice counts as given last, as in the readers before us.
func TestRepeatedEntries(t *testing.T) {
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, "    l%d: \"1\"\n", i)
	}
	o, err := merge.ParseOverlay(context.Background(), []byte("metadata:\n  labels:\n    a: \"1\"\n    a: \"2\"\n"+many.String()+"    l7: \"2\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := strategic(new(corev1.Pod), o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Labels["a"] != "2" || got.Labels["l7"] != "2" || len(got.Labels) != 41 {
		t.Errorf("got %v", got.Labels)
	}
}

func TestContainer(t *testing.T) {
	base := &corev1.Container{
		Name: "istio-proxy", Image: "template", Args: []string{"proxy"},
		Env:       []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi")}},
	}
	overlay := &corev1.Container{
		Name: "istio-proxy", TTY: true, Args: []string{"x", "y"},
		Env:       []corev1.EnvVar{{Name: "B", Value: "user"}, {Name: "C"}},
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("2")}},
	}
	got, err := container(base, overlay)
	if err != nil {
		t.Fatal(err)
	}
	want, err := library(base, mustJSON(t, overlay))
	if err != nil {
		t.Fatal(err)
	}
	if w, g := mustYAML(t, want), mustYAML(t, got); string(w) != string(g) {
		t.Errorf("want:\n%s\ngot:\n%s", w, g)
	}
	if got.Image != "template" || !got.TTY || got.Env[1].Value != "user" {
		t.Errorf("got %+v", got)
	}
	_, err = container(base, &corev1.Container{Name: "x", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"$patch": resource.MustParse("1")}}})
	if err == nil || !strings.Contains(err.Error(), `[x].resources.limits.$patch: is "1"`) {
		t.Errorf("got %v", err)
	}
}

func TestContainerLikeTheLibrary(t *testing.T) {
	for seed := range uint64(podgen.Rounds(400)) {
		g := podgen.New(seed)
		base, overlay := roundTrip(t, podgen.Typed[corev1.Container](g)), roundTrip(t, podgen.Typed[corev1.Container](g))
		want, err := library(base, mustJSON(t, overlay))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, err := container(base, overlay)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if string(mustJSON(t, want)) != string(mustJSON(t, got)) {
			t.Fatalf("seed %d:\nwant %s\ngot  %s", seed, mustJSON(t, want), mustJSON(t, got))
		}
	}
}

// Where there is nothing to merge with, nulls and objects with $patch set nothing;
// the library lets them stand within new items.
func TestNewValuesArePlain(t *testing.T) {
	for _, tc := range []struct{ name, overlay, want string }{
		{"a deleted variable in a new container", `spec: {containers: [{name: b, env: [{name: X, $patch: delete}, {name: Z}]}]}`, `spec: {containers: [{name: b, env: [{name: Z}]}, {name: a}]}`},
		{"a null limit in a new container", `spec: {containers: [{name: b, resources: {limits: {cpu: null, memory: 1}}}]}`, `spec: {containers: [{name: b, resources: {limits: {memory: 1}}}, {name: a}]}`},
		{"an object with a directive in a new container", `spec: {containers: [{name: b, securityContext: {$patch: replace, runAsUser: 1}, lifecycle: {$patch: delete}}]}`, `spec: {containers: [{name: b}, {name: a}]}`},
		{"a null in a list that is replaced", `spec: {tolerations: [{key: a, tolerationSeconds: null}]}`, `spec: {containers: [{name: a}], tolerations: [{key: a}]}`},
		{"a null in an object that is replaced", `spec: {affinity: {$patch: replace, nodeAffinity: null}}`, `spec: {containers: [{name: a}], affinity: {}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := merge.ParseOverlay(context.Background(), []byte(tc.overlay))
			if err != nil {
				t.Fatal(err)
			}
			got, err := strategic(pod(t, `spec: {containers: [{name: a}], affinity: {podAffinity: {}}}`), o)
			if err != nil {
				t.Fatal(err)
			}
			if got.Spec.Affinity != nil && got.Spec.Affinity.PodAffinity != nil {
				got.Spec.Affinity = nil // as it was
			}
			if w, g := mustYAML(t, pod(t, tc.want)), mustYAML(t, got); string(w) != string(g) {
				t.Errorf("want:\n%s\ngot:\n%s", w, g)
			}
		})
	}
}

// A variable may be given twice, as in a pod: templates list those of a proxy
// configuration behind their own.
func TestVariablesGivenTwice(t *testing.T) {
	o, err := merge.ParseOverlay(context.Background(), []byte(`spec: {containers: [{name: p, env: [{name: A, value: "1"}, {name: B}, {name: A, value: "2"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ pod, want string }{
		{`spec: {containers: []}`, `spec: {containers: [{name: p, env: [{name: A, value: "1"}, {name: B}, {name: A, value: "2"}]}]}`},
		{`spec: {containers: [{name: p, env: [{name: C}]}]}`, `spec: {containers: [{name: p, env: [{name: A, value: "2"}, {name: B}, {name: C}]}]}`},
	} {
		got, err := strategic(pod(t, tc.pod), o)
		if err != nil {
			t.Fatal(err)
		}
		if w, g := mustYAML(t, pod(t, tc.want)), mustYAML(t, got); string(w) != string(g) {
			t.Errorf("%s\nwant:\n%s\ngot:\n%s", tc.pod, w, g)
		}
	}
}
