package inject_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// rounds is the number of pods that each law is tried on.
func rounds(t *testing.T) int {
	if testing.Short() {
		return 60
	}
	return 400
}

// lawSnapshots are the configurations under which the laws must hold: one of
// ours in each dialect, with and without native sidecars.
func lawSnapshots(t testing.TB) map[string]*inject.Snapshot {
	t.Helper()
	return map[string]*inject.Snapshot{
		"current":         compiled(t, "current.yaml", "", inject.Options{Cluster: cluster{}}),
		"current, native": compiled(t, "current.yaml", "", inject.Options{Cluster: cluster{native: true}, Revision: "canary"}),
		"classic":         compiled(t, "classic.yaml", "enableSdsTokenMount: true\nsdsUdsPath: unix:/x\n", inject.Options{}),
	}
}

func compiled(t testing.TB, file, mesh string, o inject.Options) *inject.Snapshot {
	t.Helper()
	read := func(name string) config.Source {
		text, err := os.ReadFile(filepath.Join("testdata", "laws", name))
		if err != nil {
			t.Fatal(err)
		}
		return config.Source{Name: name, Data: text}
	}
	cfg, err := config.Parse(config.Sources{Inject: read(file), Mesh: config.Source{Name: "mesh", Data: []byte(mesh)}, Values: read("values.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	o.OnDefect = defect(t)
	s, err := inject.Compile(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// forAll tries a law on generated pods under every configuration.
func forAll(t *testing.T, law func(t *testing.T, g *generator, s *inject.Snapshot, pod *corev1.Pod, object []byte)) {
	for name, s := range lawSnapshots(t) {
		t.Run(name, func(t *testing.T) {
			for seed := range rounds(t) {
				g := newGenerator(uint64(seed))
				pod := g.pod()
				if s.Dialect() == config.Classic {
					// Containers of the names that the first injectors used are
					// taken for injected.
					pod.Spec.Containers = slices.DeleteFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "istio-proxy" })
				}
				object := g.object(t, pod)
				law(t, g, s, pod, object)
				if t.Failed() {
					t.Fatalf("seed %d, pod:\n%s", seed, object)
				}
			}
		})
	}
}

// injected injects an object, which must work, and returns it afterwards.
func injected(t *testing.T, s *inject.Snapshot, object []byte) []byte {
	t.Helper()
	res := s.Inject(t.Context(), inject.Request{Object: object, Namespace: "shop"})
	if res.Decision.Outcome != decide.Inject {
		t.Fatalf("decided %s: %s", res.Decision.Code, res.Decision.Message)
	}
	out := applied(t, object, res.Patch)
	var pod corev1.Pod
	if err := json.Unmarshal(out, &pod); err != nil {
		t.Fatalf("the patched object is no pod: %v", err)
	}
	want, err := json.Marshal(res.Pod)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(&pod)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the pod and the patched object", want, got)
	return out
}

func same(t *testing.T, what string, want, got []byte) {
	t.Helper()
	diff, err := conformance.Diff(want, got)
	if err != nil {
		t.Fatal(err)
	}
	if diff != "" {
		t.Errorf("%s differ (-want +got):\n%s", what, diff)
	}
}

func TestInjectTwiceIsInjectOnce(t *testing.T) {
	forAll(t, func(t *testing.T, _ *generator, s *inject.Snapshot, _ *corev1.Pod, object []byte) {
		once := injected(t, s, object)
		same(t, "once and twice", once, injected(t, s, once))
	})
}

// Another injector may add a container after us, and we are called again.
func TestAnotherInjectorInBetween(t *testing.T) {
	forAll(t, func(t *testing.T, g *generator, s *inject.Snapshot, _ *corev1.Pod, object []byte) {
		other := added(t, injected(t, s, object), g.container("other"), g.chance(2))
		once := injected(t, s, other)
		if !slices.Contains(names(t, once), "other") {
			t.Error("the other injector's container is gone")
		}
		same(t, "the second and the third injection", once, injected(t, s, once))
	})
}

// added puts a container first or last.
func added(t *testing.T, object []byte, c corev1.Container, first bool) []byte {
	t.Helper()
	var pod map[string]any
	if err := json.Unmarshal(object, &pod); err != nil {
		t.Fatal(err)
	}
	spec := pod["spec"].(map[string]any)
	list := spec["containers"].([]any)
	if first {
		spec["containers"] = append([]any{c}, list...)
	} else {
		spec["containers"] = append(list, c)
	}
	out, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names(t *testing.T, object []byte) []string {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal(object, &pod); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range pod.Spec.Containers {
		out = append(out, c.Name)
	}
	return out
}

func TestUninjectAfterInjectIsTheOriginal(t *testing.T) {
	forAll(t, func(t *testing.T, _ *generator, s *inject.Snapshot, _ *corev1.Pod, object []byte) {
		after := injected(t, s, object)
		patch, err := s.Uninject(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the original and the uninjected pod", restorable(t, s, object, after), applied(t, after, patch))
	})
}

// restorable is the original without what leaves no record: a scrape port or path
// beside scrape targets, where metrics have been merged.
func restorable(t *testing.T, s *inject.Snapshot, object, injected []byte) []byte {
	t.Helper()
	annotations := func(object []byte) (pod map[string]any, of map[string]any) {
		if err := json.Unmarshal(object, &pod); err != nil {
			t.Fatal(err)
		}
		of, _ = pod["metadata"].(map[string]any)["annotations"].(map[string]any)
		return pod, of
	}
	pod, before := annotations(object)
	_, after := annotations(injected)
	if before["prometheus.istio.io/scrape-targets"] == nil || after["prometheus.io/port"] != strconv.Itoa(int(s.StatusPort())) {
		return object
	}
	delete(before, "prometheus.io/port")
	delete(before, "prometheus.io/path")
	out, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestUninjectOfAStrangerChangesNothing(t *testing.T) {
	forAll(t, func(t *testing.T, _ *generator, s *inject.Snapshot, _ *corev1.Pod, object []byte) {
		if patch, err := s.Uninject(t.Context(), object); err != nil || patch != nil {
			t.Errorf("patch %s, error %v; want none", patch, err)
		}
	})
}

// What the user wrote stays, in its order; only the proxy moves, and scrape
// annotations change their values.
func TestForeignPartsStay(t *testing.T) {
	forAll(t, func(t *testing.T, _ *generator, s *inject.Snapshot, before *corev1.Pod, object []byte) {
		var after corev1.Pod
		out := injected(t, s, object)
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatal(err)
		}
		ordered(t, "containers", containerNames(before.Spec.Containers), containerNames(after.Spec.Containers))
		ordered(t, "init containers", containerNames(before.Spec.InitContainers), containerNames(after.Spec.InitContainers))
		ordered(t, "volumes", volumeNames(before), volumeNames(&after))
		for k := range before.Labels {
			if after.Labels[k] != before.Labels[k] {
				t.Errorf("label %s: was %q, is %q", k, before.Labels[k], after.Labels[k])
			}
		}
		for k, v := range before.Annotations {
			if strings.HasPrefix(k, "prometheus") || k == "example.com/ports" || k == "example.com/networks" {
				continue
			}
			if after.Annotations[k] != v {
				t.Errorf("annotation %s: was %q, is %q", k, v, after.Annotations[k])
			}
		}
		// Those in the annotation of declared containers have their quotes escaped.
		if n := strings.Count(string(object), `OfTomorrow":`); n != strings.Count(string(out), `OfTomorrow":`) {
			t.Errorf("fields that today's types do not have are gone: %s", out)
		}
	})
}

func containerNames(list []corev1.Container) []string {
	var out []string
	for i := range list {
		if list[i].Name != "istio-proxy" {
			out = append(out, list[i].Name)
		}
	}
	return out
}

func volumeNames(pod *corev1.Pod) []string {
	var out []string
	for _, v := range pod.Spec.Volumes {
		out = append(out, v.Name)
	}
	return out
}

// ordered checks that want is a subsequence of got.
func ordered(t *testing.T, what string, want, got []string) {
	t.Helper()
	i := 0
	for _, g := range got {
		if i < len(want) && want[i] == g {
			i++
		}
	}
	if i < len(want) {
		t.Errorf("%s: had %v, has %v", what, want, got)
	}
}

// What a snapshot remembers of one pod's rendering helps with others, and must not
// be changed by them.
func TestEarlierPodsChangeNothing(t *testing.T) {
	type answered struct{ object, patch []byte }
	before := map[*inject.Snapshot][]answered{}
	patch := func(s *inject.Snapshot, object []byte) []byte {
		return s.Inject(t.Context(), inject.Request{Object: object, Namespace: "shop"}).Patch
	}
	forAll(t, func(t *testing.T, g *generator, s *inject.Snapshot, _ *corev1.Pod, object []byte) {
		before[s] = append(before[s], answered{object, patch(s, object)})
		old := before[s][g.IntN(len(before[s]))]
		if now := patch(s, old.object); string(now) != string(old.patch) {
			t.Errorf("%s\nwas answered with\n%s\nand now with\n%s", old.object, old.patch, now)
		}
	})
}

// Unknown fields of templates and of the user's own containers go through the whole
// engine: merged like ordinary fields, the user's value winning, and taken out
// again.
func TestUnknownFieldsThroughTheEngine(t *testing.T) {
	const template = `metadata: {newMeta: 1}
spec:
  newObj: {a: 1}
  containers:
  - name: istio-proxy
    image: proxy
    newField: template
    newOther: template
    newBoth: {template: 1, both: 1}
    ports: [{containerPort: 53, protocol: UDP, newField: udp}, {containerPort: 80, protocol: TCP}]
`
	const pod = `{"metadata":{"name":"a"},"spec":{"newObj":{"b":2},"containers":[{"name":"app","image":"app","newApp":1},` +
		`{"name":"istio-proxy","image":"auto","newField":"user","newBoth":{"user":2,"both":2},"securityContext":{"newUser":1}}]}}`
	s := of(t, sidecar(template), "", "", inject.Options{})
	first := injected(t, s, []byte(pod))
	var got struct {
		Metadata struct{ NewMeta int }
		Spec     struct {
			NewObj     map[string]int
			Containers []map[string]any
		}
	}
	if err := json.Unmarshal(first, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Spec.Containers) != 2 {
		t.Fatalf("%s", first)
	}
	want := map[string]any{
		"newField": "user", "newOther": "template", "newBoth": map[string]any{"template": 1.0, "both": 2.0, "user": 2.0},
		"securityContext": map[string]any{"newUser": 1.0},
		"ports": []any{
			map[string]any{"containerPort": 53.0, "protocol": "UDP", "newField": "udp"},
			map[string]any{"containerPort": 80.0, "protocol": "TCP"},
		},
	}
	proxy := got.Spec.Containers[1]
	for name, value := range want {
		if !reflect.DeepEqual(proxy[name], value) {
			t.Errorf("%s of the proxy is %v, want %v", name, proxy[name], value)
		}
	}
	if got.Metadata.NewMeta != 1 || !maps.Equal(got.Spec.NewObj, map[string]int{"a": 1, "b": 2}) || got.Spec.Containers[0]["newApp"] != 1.0 {
		t.Errorf("%s", first)
	}
	if second := injected(t, s, first); !sameJSON(t, first, second) {
		t.Errorf("injected again\n%s\nwas\n%s", second, first)
	}
	diff, err := s.Uninject(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	// What merged into an object of the user's cannot be told apart again.
	original := strings.Replace(pod, `{"b":2}`, `{"a":1,"b":2}`, 1)
	if back := applied(t, first, diff); !sameJSON(t, back, []byte(original)) {
		t.Errorf("uninjected\n%s\nwant\n%s", back, original)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}
