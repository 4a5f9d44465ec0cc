package patch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Values that are compared without reflection: what differs in one of their
// fields is in the patch, what means the same is not.
func TestOneFieldOfAValue(t *testing.T) {
	const raw = `{"metadata":{"creationTimestamp":"2030-01-02T03:04:05Z"},"spec":{"containers":[{"name":"a",
		"env":[{"name":"A","value":"1"}],
		"envFrom":[{"prefix":"p"}],
		"readinessProbe":{"httpGet":{"port":80}},
		"livenessProbe":{"httpGet":{"port":"http"}}}]}}`
	const container = "/spec/containers/0"
	for name, tc := range map[string]struct {
		change func(*corev1.Pod, *corev1.Container)
		want   string
	}{
		"the only variable's value": {
			func(_ *corev1.Pod, c *corev1.Container) { c.Env[0].Value = "2" },
			`[{"op":"replace","path":"` + container + `/env/0/value","value":"2"}]`,
		},
		"the only variable's source": {
			func(_ *corev1.Pod, c *corev1.Container) {
				c.Env[0].ValueFrom = &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}
			},
			`[{"op":"add","path":"` + container + `/env/0/valueFrom","value":{"fieldRef":{"fieldPath":"spec.nodeName"}}}]`,
		},
		"a port's number": {
			func(_ *corev1.Pod, c *corev1.Container) { c.ReadinessProbe.HTTPGet.Port = intstr.FromInt32(81) },
			`[{"op":"replace","path":"` + container + `/readinessProbe/httpGet/port","value":81}]`,
		},
		"a port's name": {
			func(_ *corev1.Pod, c *corev1.Container) { c.LivenessProbe.HTTPGet.Port = intstr.FromString("web") },
			`[{"op":"replace","path":"` + container + `/livenessProbe/httpGet/port","value":"web"}]`,
		},
		"a port's name for its number": {
			func(_ *corev1.Pod, c *corev1.Container) { c.ReadinessProbe.HTTPGet.Port = intstr.FromString("80") },
			`[{"op":"replace","path":"` + container + `/readinessProbe/httpGet/port","value":"80"}]`,
		},
		"the same moment on another clock": {
			func(p *corev1.Pod, _ *corev1.Container) {
				p.CreationTimestamp = metav1.NewTime(p.CreationTimestamp.In(time.FixedZone("east", 3600)))
			},
			"",
		},
		"another moment": {
			func(p *corev1.Pod, _ *corev1.Container) {
				p.CreationTimestamp = metav1.NewTime(p.CreationTimestamp.Add(time.Second))
			},
			`[{"op":"replace","path":"/metadata/creationTimestamp","value":"2030-01-02T03:04:06Z"}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := decode(t, []byte(raw))
			after := before.DeepCopy()
			tc.change(after, &after.Spec.Containers[0])
			got, err := diffOf(t, []byte(raw), before, after)
			if err != nil || string(got) != tc.want {
				t.Errorf("got %s, %v\nwant %s", got, err, tc.want)
			}
			mustReach(t, []byte(raw), got, after)
		})
	}
}

// variablesDiff returns the patch from a list of variables to another.
func variablesDiff(t *testing.T, before, after []corev1.EnvVar) string {
	t.Helper()
	pod := func(env []corev1.EnvVar) *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Env: env}}}}
	}
	raw := mustJSON(t, pod(before))
	was := decode(t, raw)
	is := was.DeepCopy()
	is.Spec.Containers[0].Env = after
	diff, err := diffOf(t, raw, was, is)
	if err != nil {
		t.Fatal(err)
	}
	mustReach(t, raw, diff, is)
	return string(diff)
}

func numbered(n int) []corev1.EnvVar {
	list := make([]corev1.EnvVar, n)
	for i := range list {
		list[i].Name = fmt.Sprint("E", i)
	}
	return list
}

func TestElementsOfAList(t *testing.T) {
	const env = "/spec/containers/0/env/"
	for name, tc := range map[string]struct {
		before, after []corev1.EnvVar
		want          string
	}{
		"the first goes, another comes": {
			numbered(2),
			[]corev1.EnvVar{{Name: "E1"}, {Name: "NEW"}},
			`[{"op":"remove","path":"` + env + `0"},{"op":"add","path":"` + env + `-","value":{"name":"NEW"}}]`,
		},
		"what stays at the front is not rewritten": {
			[]corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "A", Value: "2"}},
			[]corev1.EnvVar{{Name: "A", Value: "1"}},
			`[{"op":"remove","path":"` + env + `1"}]`,
		},
	} {
		if got := variablesDiff(t, tc.before, tc.after); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}

// Lists change element by element as long as the patch stays in proportion.
func TestWhenAListIsWrittenWhole(t *testing.T) {
	one := func(n int) []corev1.EnvVar { return numbered(n)[:1] }
	reversed := func(n int) []corev1.EnvVar {
		list := numbered(n)
		slices.Reverse(list)
		return list
	}
	firstLast := func(n int) []corev1.EnvVar {
		list := numbered(n)
		return append(list[1:], list[0])
	}
	for name, tc := range map[string]struct {
		before int
		after  func(n int) []corev1.EnvVar
		ops    int
		op     string
	}{
		"as many as may be removed": {18, one, 17, "remove"},
		"one more":                  {19, one, 1, "replace"},
		"as many as may be moved":   {65, reversed, 64, "move"},
		"one more than that":        {66, reversed, 1, "replace"},
		"one of many moves":         {200, firstLast, 1, "move"},
	} {
		got := variablesDiff(t, numbered(tc.before), tc.after(tc.before))
		if n := strings.Count(got, `"op":"`+tc.op+`"`); n != tc.ops || strings.Count(got, `"op":`) != n {
			t.Errorf("%s: got %.200s, want %d times %s", name, got, tc.ops, tc.op)
		}
	}
}
