package patch_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// Each case changes the pod that raw decodes to and says the very patch.
func TestDiff(t *testing.T) {
	set := func(m map[string]string, k, v string) map[string]string {
		if m == nil {
			m = map[string]string{}
		}
		m[k] = v
		return m
	}
	for _, tc := range []struct {
		name, raw string
		change    func(*corev1.Pod)
		want      string
	}{
		{
			name:   "nothing",
			raw:    `{"metadata":{"name":"a"}}`,
			change: func(*corev1.Pod) {},
		},
		{
			name:   "an empty map is no map",
			raw:    `{"metadata":{"labels":null,"annotations":{}},"spec":{"containers":[],"volumes":null}}`,
			change: func(p *corev1.Pod) { p.Labels, p.Spec.Tolerations = map[string]string{}, []corev1.Toleration{} },
		},
		{
			name:   "one spelling of a quantity is as good as another",
			raw:    `{"spec":{"overhead":{"cpu":"1000m"}}}`,
			change: func(p *corev1.Pod) { p.Spec.Overhead["cpu"] = resource.MustParse("1") },
		},
		{
			name:   "labels where there are none",
			raw:    `{"metadata":{"name":"a"}}`,
			change: func(p *corev1.Pod) { p.Labels = set(p.Labels, "x/y~z", "1") },
			want:   `[{"op":"add","path":"/metadata/labels","value":{"x/y~z":"1"}}]`,
		},
		{
			name:   "labels where they are null",
			raw:    `{"metadata":{"labels":null}}`,
			change: func(p *corev1.Pod) { p.Labels = set(p.Labels, "a", "1") },
			want:   `[{"op":"add","path":"/metadata","value":{"labels":{"a":"1"}}}]`,
		},
		{
			name:   "metadata where there is none",
			raw:    `{}`,
			change: func(p *corev1.Pod) { p.Labels = set(p.Labels, "a", "1") },
			want:   `[{"op":"add","path":"/metadata","value":{"labels":{"a":"1"}}}]`,
		},
		{
			name:   "spec where it is null",
			raw:    `{"spec":null}`,
			change: func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{{Name: "a"}} },
			want:   `[{"op":"add","path":"/spec","value":{"containers":[{"name":"a"}]}}]`,
		},
		{
			name: "single entries, escaped",
			raw:  `{"metadata":{"annotations":{"a":"1","b/c":"2","d~e":"3"}}}`,
			change: func(p *corev1.Pod) {
				delete(p.Annotations, "a")
				p.Annotations["b/c"], p.Annotations["f"] = "x", `"<ü>`
			},
			want: `[{"op":"remove","path":"/metadata/annotations/a"},{"op":"replace","path":"/metadata/annotations/b~1c","value":"x"},{"op":"add","path":"/metadata/annotations/f","value":"\"<ü>"}]`,
		},
		{
			name:   "the last label",
			raw:    `{"metadata":{"labels":{"a":"1"}}}`,
			change: func(p *corev1.Pod) { p.Labels = nil },
			want:   `[{"op":"remove","path":"/metadata/labels"}]`,
		},
		{
			name: "a container at the end, one in front",
			raw:  `{"spec":{"containers":[{"name":"b"}]}}`,
			change: func(p *corev1.Pod) {
				p.Spec.Containers = []corev1.Container{{Name: "a"}, p.Spec.Containers[0], {Name: "c"}}
			},
			want: `[{"op":"add","path":"/spec/containers/0","value":{"name":"a"}},{"op":"add","path":"/spec/containers/-","value":{"name":"c"}}]`,
		},
		{
			name: "a container from first to last is one move",
			raw:  `{"spec":{"containers":[{"name":"p"},{"name":"a"},{"name":"b"},{"name":"c"}]}}`,
			change: func(p *corev1.Pod) {
				c := p.Spec.Containers
				p.Spec.Containers = []corev1.Container{c[1], c[2], c[3], c[0]}
			},
			want: `[{"op":"move","path":"/spec/containers/3","from":"/spec/containers/0"}]`,
		},
		{
			name: "a container that becomes an init container",
			raw:  `{"spec":{"containers":[{"name":"a"},{"name":"p","new":1}]}}`,
			change: func(p *corev1.Pod) {
				c := p.Spec.Containers
				always := corev1.ContainerRestartPolicyAlways
				c[1].RestartPolicy = &always
				p.Spec.InitContainers, p.Spec.Containers = []corev1.Container{{Name: "i"}, c[1]}, c[:1]
			},
			want: `[{"op":"add","path":"/spec/initContainers","value":[{"name":"i"},{"name":"p","restartPolicy":"Always","new":1}]},{"op":"remove","path":"/spec/containers/1"}]`,
		},
		{
			name: "and back",
			raw:  `{"spec":{"containers":[{"name":"a"},{"name":"b"}],"initContainers":[{"name":"i"},{"name":"p"}]}}`,
			change: func(p *corev1.Pod) {
				s := &p.Spec
				s.Containers = []corev1.Container{s.Containers[0], s.InitContainers[1], s.Containers[1]}
				s.InitContainers = s.InitContainers[:1]
			},
			want: `[{"op":"remove","path":"/spec/initContainers/1"},{"op":"add","path":"/spec/containers/1","value":{"name":"p"}}]`,
		},
		{
			name: "within a container",
			raw:  `{"spec":{"containers":[{"name":"a"},{"name":"b","env":[{"name":"X","value":"1"},{"name":"Y"}],"livenessProbe":{"httpGet":{"port":"http"},"odd":1}}]}}`,
			change: func(p *corev1.Pod) {
				c := &p.Spec.Containers[1]
				c.Env = append(c.Env, corev1.EnvVar{Name: "Z", Value: "3"})
				c.Env[0].Value = "2"
				c.LivenessProbe.HTTPGet.Path = "/x"
			},
			want: `[{"op":"add","path":"/spec/containers/1/env/-","value":{"name":"Z","value":"3"}},{"op":"replace","path":"/spec/containers/1/env/0/value","value":"2"},{"op":"add","path":"/spec/containers/1/livenessProbe/httpGet/path","value":"/x"}]`,
		},
		{
			name: "one port in two protocols",
			raw:  `{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"TCP","t":1},{"containerPort":53,"protocol":"UDP","u":1}]}]}}`,
			change: func(p *corev1.Pod) {
				p.Spec.Containers[0].Ports = p.Spec.Containers[0].Ports[1:]
			},
			want: `[{"op":"remove","path":"/spec/containers/0/ports/0"}]`,
		},
		{
			name:   "a list of scalars, item by item",
			raw:    `{"spec":{"containers":[{"name":"a","args":["x","y","x"]}]}}`,
			change: func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"x", "z", "x", "x"} },
			want:   `[{"op":"remove","path":"/spec/containers/0/args/1"},{"op":"add","path":"/spec/containers/0/args/1","value":"z"},{"op":"add","path":"/spec/containers/0/args/2","value":"x"}]`,
		},
		{
			name:   "a list with nothing left of it is replaced",
			raw:    `{"spec":{"containers":[{"name":"a","args":["x","y"]}]}}`,
			change: func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"1", "2"} },
			want:   `[{"op":"replace","path":"/spec/containers/0/args","value":["1","2"]}]`,
		},
		{
			name: "items without a name keep their place",
			raw:  `{"spec":{"tolerations":[{"key":"a","n":1},{"key":"b","n":2},{"key":"c","n":3}]}}`,
			change: func(p *corev1.Pod) {
				p.Spec.Tolerations[1].Value = "v"
			},
			want: `[{"op":"add","path":"/spec/tolerations/1/value","value":"v"}]`,
		},
		{
			name:   "managed fields are left alone",
			raw:    `{"metadata":{"managedFields":[{"manager":"m"}]}}`,
			change: func(p *corev1.Pod) { p.ManagedFields = nil },
		},
		{
			name:   "a null item is replaced",
			raw:    `{"spec":{"tolerations":[null,{"key":"b"}]}}`,
			change: func(p *corev1.Pod) { p.Spec.Tolerations[0].Key = "a" },
			want:   `[{"op":"replace","path":"/spec/tolerations/0","value":{"key":"a"}}]`,
		},
		{
			name:   "where a field is given twice, metadata and spec are written whole",
			raw:    `{"metadata":{"name":"a"},"spec":{"containers":[{"name":"a"}],"securityContext":{"runAsUser":1,"even":1},"securityContext":{"fsGroup":2,"even":2}}}`,
			change: func(p *corev1.Pod) { p.Spec.Hostname = "h" },
			want:   `[{"op":"add","path":"/metadata","value":{"name":"a"}},{"op":"add","path":"/spec","value":{"containers":[{"name":"a"}],"securityContext":{"runAsUser":1,"fsGroup":2,"even":2},"hostname":"h"}}]`,
		},
		{
			name:   "where a field is given twice and nothing changes",
			raw:    `{"spec":{"hostname":"a","hostname":"b"}}`,
			change: func(p *corev1.Pod) {},
		},
		{
			name:   "names that are written with escapes",
			raw:    `{"sp\u0065c":{"hostname":"a\"}","containers":[{"name":"\u00fc\\"}]}}`,
			change: func(p *corev1.Pod) { p.Spec.Hostname = ""; p.Spec.Containers[0].TTY = true },
			want:   `[{"op":"add","path":"/spec/containers/0/tty","value":true},{"op":"remove","path":"/spec/hostname"}]`,
		},
		{
			name:   "numbers that no machine holds",
			raw:    `{"spec":{"odd":123456789012345678901234567890.5e999,"priority":1}}`,
			change: func(p *corev1.Pod) { *p.Spec.Priority = 2 },
			want:   `[{"op":"replace","path":"/spec/priority","value":2}]`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := decode(t, []byte(tc.raw))
			after := before.DeepCopy()
			tc.change(after)
			got, err := diffOf(t, []byte(tc.raw), before, after)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if after.ManagedFields == nil {
				after.ManagedFields = before.ManagedFields
			}
			mustReach(t, []byte(tc.raw), got, after)
		})
	}
}

// What is to be written without a Go type reaches the patch, wherever it is.
func TestUnknownFields(t *testing.T) {
	for _, tc := range []struct{ name, before, after, want string }{
		{
			"within containers, old and new",
			`{"spec":{"containers":[{"name":"a"},{"name":"b","new":{"x": 1}}]}}`,
			`{"newest":7,"spec":{"containers":[{"name":"a","new":{"x":2}},{"name":"b","new":{"x":1}},{"name":"p","ports":[{"containerPort":80,"shape":"round"}],"new":3}]}}`,
			`[{"op":"add","path":"/newest","value":7},{"op":"add","path":"/spec/containers/-","value":{"name":"p","ports":[{"containerPort":80,"shape":"round"}],"new":3}},{"op":"add","path":"/spec/containers/0/new","value":{"x":2}}]`,
		},
		{
			"below objects that are empty in Go",
			`{"spec":{"containers":[{"name":"a"}]}}`,
			`{"spec":{"containers":[{"name":"a","resources":{"new":2}}],"securityContext":{"new":1}}}`,
			`[{"op":"add","path":"/spec/containers/0/resources","value":{"new":2}},{"op":"add","path":"/spec/securityContext","value":{"new":1}}]`,
		},
		{
			"in an object that had nothing else",
			`{"spec":{"containers":[{"name":"a","resources":{"old/":1}}]}}`,
			`{"spec":{"containers":[{"name":"a","resources":{"new~":2}}]}}`,
			`[{"op":"remove","path":"/spec/containers/0/resources/old~1"},{"op":"add","path":"/spec/containers/0/resources/new~0","value":2}]`,
		},
		{
			"another value, and white space alone",
			`{"spec":{"a":{"x": 1},"b":[1, 2]}}`,
			`{"spec":{"a":{"x":1},"b":[1,3]}}`,
			`[{"op":"replace","path":"/spec/b","value":[1,3]}]`,
		},
		{
			"in an item that is otherwise empty",
			`{"spec":{"tolerations":[{},{"new":1},{"new":1},null]}}`,
			`{"spec":{"tolerations":[{"new":1},{"new":2},{"key":"a"},null]}}`,
			`[{"op":"replace","path":"/spec/tolerations/0","value":{"new":1}},{"op":"replace","path":"/spec/tolerations/1/new","value":2},{"op":"remove","path":"/spec/tolerations/2/new"},{"op":"add","path":"/spec/tolerations/2/key","value":"a"}]`,
		},
		{
			"of one port in two protocols",
			`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"TCP"},{"containerPort":53,"protocol":"UDP","u":1}]}]}}`,
			`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"TCP","t":1},{"containerPort":53,"protocol":"UDP"}]}]}}`,
			`[{"op":"add","path":"/spec/containers/0/ports/0/t","value":1},{"op":"remove","path":"/spec/containers/0/ports/1/u"}]`,
		},
		{
			"of two variables of one name",
			`{"spec":{"containers":[{"name":"a","env":[{"name":"E"},{"name":"E","x":1}]}]}}`,
			`{"spec":{"containers":[{"name":"a","env":[{"name":"E"},{"name":"E","x":2}]}]}}`,
			`[{"op":"replace","path":"/spec/containers/0/env/1/x","value":2}]`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, err := podmodel.Decode(context.Background(), []byte(tc.before))
			if err != nil {
				t.Fatal(err)
			}
			after, err := podmodel.Decode(context.Background(), []byte(tc.after))
			if err != nil {
				t.Fatal(err)
			}
			got, err := patch.Diff(context.Background(), before, after)
			if err != nil || string(got) != tc.want {
				t.Fatalf("got  %s, error %v\nwant %s", got, err, tc.want)
			}
			if out := apply(t, []byte(tc.before), got); !reflect.DeepEqual(tree(t, out), tree(t, []byte(tc.after))) {
				t.Errorf("leads to %s", out)
			}
		})
	}
}

// What cannot be written as JSON is an error that names the place.
func TestErrorNamesThePlace(t *testing.T) {
	before, err := podmodel.Decode(context.Background(), []byte(`{"spec":{"containers":[{"name":"a"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	after := before.Copy()
	after.Spec.Containers = []corev1.Container{{Name: "a", LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Port: intstr.IntOrString{Type: 7}},
	}}}}
	got, err := patch.Diff(context.Background(), before, after)
	if err == nil || !strings.Contains(err.Error(), `"/spec/containers/0"`) {
		t.Errorf("patch %s, error %v", got, err)
	}
}

// A list is rewritten as a whole rather than by more operations than it is worth,
// and its items still keep what we do not know.
func TestLargeLists(t *testing.T) {
	const n = 500
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"name":"E%d","odd":%d}`, i, i)
	}
	raw := []byte(`{"spec":{"containers":[{"name":"a","env":[` + b.String()[1:] + `]}]}}`)
	before := decode(t, raw)
	t.Run("shuffled", func(t *testing.T) {
		after := before.DeepCopy()
		env := after.Spec.Containers[0].Env
		for i := range n / 2 {
			env[i], env[n-1-i] = env[n-1-i], env[i]
		}
		got, err := diffOf(t, raw, before, after)
		if err != nil {
			t.Fatal(err)
		}
		out := mustReach(t, raw, got, after)
		if ops := strings.Count(string(got), `"op":`); ops != 1 || !strings.Contains(string(out), `{"name":"E7","odd":7}`) {
			t.Errorf("%d operations, result %.200s", ops, out)
		}
	})
	t.Run("mostly gone", func(t *testing.T) {
		after := before.DeepCopy()
		after.Spec.Containers[0].Env = after.Spec.Containers[0].Env[:3]
		got, err := diffOf(t, raw, before, after)
		if err != nil {
			t.Fatal(err)
		}
		const want = `[{"op":"replace","path":"/spec/containers/0/env","value":[{"name":"E0","odd":0},{"name":"E1","odd":1},{"name":"E2","odd":2}]}]`
		if string(got) != want {
			t.Errorf("got %s", got)
		}
	})
	t.Run("one more", func(t *testing.T) {
		after := before.DeepCopy()
		c := &after.Spec.Containers[0]
		c.Env = append([]corev1.EnvVar{{Name: "NEW"}}, c.Env...)
		got, err := diffOf(t, raw, before, after)
		if err != nil {
			t.Fatal(err)
		}
		if want := `[{"op":"add","path":"/spec/containers/0/env/0","value":{"name":"NEW"}}]`; string(got) != want {
			t.Errorf("got %.300s", got)
		}
	})
}

// Ten times the pod costs about ten times the time, in the worst case that the
// code knows: every item changed, and all of them in another order.
func TestCostIsLinear(t *testing.T) {
	cost := func(n int) time.Duration {
		p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}}
		for i := range n {
			p.Spec.Containers[0].Env = append(p.Spec.Containers[0].Env, corev1.EnvVar{Name: fmt.Sprint("E", i)})
		}
		after := p.DeepCopy()
		env := after.Spec.Containers[0].Env
		for i := range n / 2 {
			env[i], env[n-1-i] = env[n-1-i], env[i]
		}
		best := time.Hour
		for range 5 {
			start := time.Now()
			if _, err := patch.Diff(context.Background(), &podmodel.Pod{Pod: p}, &podmodel.Pod{Pod: after}); err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	small, large := cost(1000), cost(10_000)
	if large > 40*small {
		t.Errorf("1,000 items take %v, 10,000 take %v", small, large)
	}
}
