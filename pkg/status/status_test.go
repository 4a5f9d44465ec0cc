package status

import (
	"context"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

func containers(names ...string) []corev1.Container {
	var out []corev1.Container
	for _, n := range names {
		out = append(out, corev1.Container{Name: n})
	}
	return out
}

func saved(names ...string) []podmodel.Container {
	var out []podmodel.Container
	for _, n := range names {
		out = append(out, podmodel.Container{Container: corev1.Container{Name: n}})
	}
	return out
}

// images returns containers from names and images by turns.
func images(pairs ...string) []podmodel.Container {
	var out []podmodel.Container
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, podmodel.Container{Container: corev1.Container{Name: pairs[i], Image: pairs[i+1]}})
	}
	return out
}

func namesOf(list []corev1.Container) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Name+c.Image)
	}
	return strings.Join(out, " ")
}

func TestOf(t *testing.T) {
	s := Of(&corev1.PodSpec{
		InitContainers:   containers("i"),
		Containers:       containers("a", "b"),
		Volumes:          []corev1.Volume{{Name: "v"}},
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: "s"}},
	})
	s.Revision = "r"
	want := `{"initContainers":["i"],"containers":["a","b"],"volumes":["v"],"imagePullSecrets":["s"],"revision":"r"}`
	if s.String() != want {
		t.Errorf("got %s", s.String())
	}
	classic := Status{Version: "x"}
	if got := classic.String(); got != `{"version":"x","initContainers":null,"containers":null,"volumes":null,"imagePullSecrets":null}` {
		t.Errorf("got %s", got)
	}
	back, present := Read(map[string]string{Key: want})
	if !present || !reflect.DeepEqual(back, s) || back.Empty() {
		t.Errorf("read back %+v", back)
	}
}

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations    map[string]string
		present, empty bool
	}{
		"none":             {nil, false, true},
		"a version only":   {map[string]string{Key: "version-1"}, true, true},
		"empty":            {map[string]string{Key: ""}, true, true},
		"another type":     {map[string]string{Key: `{"containers": "a"}`}, true, true},
		"names containers": {map[string]string{Key: `{"containers": ["a"]}`}, true, false},
	} {
		s, present := Read(tc.annotations)
		if present != tc.present || s.Empty() != tc.empty {
			t.Errorf("%s: %+v, present %v", name, s, present)
		}
	}
}

func TestEmpty(t *testing.T) {
	one := []string{"a"}
	for name, s := range map[string]Status{
		"init containers":    {InitContainers: one},
		"containers":         {Containers: one},
		"volumes":            {Volumes: one},
		"image pull secrets": {ImagePullSecrets: one},
		"first two":          {InitContainers: one, Containers: one},
		"middle two":         {Containers: one, Volumes: one},
		"last two":           {Volumes: one, ImagePullSecrets: one},
	} {
		if s.Empty() {
			t.Errorf("%s: empty", name)
		}
	}
	if s := (Status{Version: "v", Revision: "r"}); !s.Empty() {
		t.Error("a version and a revision name nothing that was added")
	}
	for name, o := range map[string]Overrides{
		"containers":      {Containers: saved("a")},
		"init containers": {InitContainers: saved("a")},
		"both":            {Containers: saved("a"), InitContainers: saved("b")},
	} {
		if o.Empty() {
			t.Errorf("overrides of %s: empty", name)
		}
	}
}

func TestOverrides(t *testing.T) {
	o := Overrides{InitContainers: images("a", "x")}
	if got := o.String(); got != `{"initContainers":[{"name":"a","image":"x","resources":{}}]}` {
		t.Errorf("got %s", got)
	}
	back, err := ReadOverrides(t.Context(), map[string]string{OverridesKey: o.String()}, Most{100, 1000})
	if err != nil || !reflect.DeepEqual(back, o) || back.Empty() {
		t.Errorf("read back %+v, %v", back, err)
	}
	if none, err := ReadOverrides(t.Context(), nil, Most{100, 1000}); err != nil || !none.Empty() {
		t.Errorf("none: %+v, %v", none, err)
	}
	if _, err := ReadOverrides(t.Context(), map[string]string{OverridesKey: "x"}, Most{100, 1000}); err == nil || !strings.Contains(err.Error(), OverridesKey) {
		t.Errorf("bad: %v", err)
	}
}

func TestWithoutContainers(t *testing.T) {
	pod := &podmodel.Pod{Pod: &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: containers("istio-init", "setup"),
		Containers:     containers("app", "istio-proxy", "web"),
	}}}
	pod.Annotations = map[string]string{Key: "x", "a": "b"}
	before := pod.DeepCopy()
	s := Status{InitContainers: []string{"istio-init"}, Containers: []string{"istio-proxy", "app"}}
	saved := Overrides{
		Containers:     images("app", "(own)", "gone", "(own)"),
		InitContainers: images("setup", "(own)"),
	}
	out := WithoutContainers(pod, s, saved)
	if got := namesOf(out.Spec.Containers); got != "app(own) web gone(own)" {
		t.Errorf("containers %s", got)
	}
	if got := namesOf(out.Spec.InitContainers); got != "setup" {
		t.Errorf("init containers %s", got)
	}
	if !reflect.DeepEqual(out.Annotations, map[string]string{"a": "b"}) {
		t.Errorf("annotations %v", out.Annotations)
	}
	if !reflect.DeepEqual(pod.Pod, before) {
		t.Error("the pod given has been changed")
	}
}

func TestSavedContainersArePutBack(t *testing.T) {
	saved := func(names ...string) []podmodel.Container {
		out := saved(names...)
		for i := range out {
			out[i].Image = "(own)"
		}
		return out
	}
	for _, tt := range []struct {
		name     string
		in       []corev1.Container
		injected []string
		saved    []podmodel.Container
		want     string
	}{
		{"nothing injected", containers("a", "b"), nil, nil, "a b"},
		{"in the injected one's place", containers("x", "a", "y"), []string{"a"}, saved("a"), "x a(own) y"},
		{"the first of several", containers("a", "b"), []string{"a", "b"}, saved("a", "b"), "a(own) b(own)"},
		{"once, where a name stands twice", containers("a", "x", "a"), []string{"a"}, saved("a"), "a(own) x"},
		{"not beside one that is not injected", containers("a", "b"), nil, saved("a"), "a b"},
		{"not beside one that is not injected, elsewhere", containers("a", "b"), nil, saved("b"), "a b"},
		{"at the end, without the injected one", containers("x"), []string{"a"}, saved("a", "b", "c"), "x a(own) b(own) c(own)"},
		{"each once", nil, nil, saved("a", "a"), "a(own)"},
	} {
		pod := &podmodel.Pod{Pod: &corev1.Pod{Spec: corev1.PodSpec{Containers: tt.in, InitContainers: tt.in}}}
		out := WithoutContainers(pod, Status{Containers: tt.injected, InitContainers: tt.injected}, Overrides{Containers: tt.saved, InitContainers: tt.saved})
		for list, containers := range map[string][]corev1.Container{"containers": out.Spec.Containers, "init containers": out.Spec.InitContainers} {
			if got := namesOf(containers); got != tt.want {
				t.Errorf("%s: %s %q, want %q", tt.name, list, got, tt.want)
			}
		}
	}
}

func TestAnnotationsWithoutStatusAreShared(t *testing.T) {
	pod := &podmodel.Pod{Pod: &corev1.Pod{}}
	pod.Annotations = map[string]string{"a": "b"}
	out := WithoutContainers(pod, Status{}, Overrides{})
	out.Annotations["c"] = "d"
	if pod.Annotations["c"] != "d" {
		t.Error("annotations were copied for nothing")
	}
}

func TestLegacy(t *testing.T) {
	want := Status{InitContainers: []string{"istio-init", "enable-core-dump"}, Containers: []string{"istio-proxy"}, Volumes: []string{"istio-certs", "istio-envoy"}}
	if got := Legacy(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestWithoutLists(t *testing.T) {
	pod := &podmodel.Pod{Pod: &corev1.Pod{Spec: corev1.PodSpec{
		Volumes:          []corev1.Volume{{Name: "own"}, {Name: "istio-certs"}},
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: "theirs"}},
	}}}
	before := pod.DeepCopy()
	out := WithoutLists(pod, Status{Volumes: Legacy().Volumes, ImagePullSecrets: []string{"theirs"}})
	if len(out.Spec.Volumes) != 1 || out.Spec.Volumes[0].Name != "own" || out.Spec.ImagePullSecrets != nil {
		t.Errorf("volumes %v, secrets %v", out.Spec.Volumes, out.Spec.ImagePullSecrets)
	}
	if !reflect.DeepEqual(pod.Pod, before) {
		t.Error("the pod given has been changed")
	}
}

// What a newer API server or the user has set on a container goes and comes back
// with it.
func TestUnknownFieldsOfContainers(t *testing.T) {
	pod, err := podmodel.Decode(context.Background(), []byte(`{"spec":{"containers":[{"name":"app","new":1},{"name":"istio-proxy","new":2,"resources":{"newer":3}},{"name":"gone","new":4}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"containers":[{"name":"istio-proxy","image":"own","new":5}]}`
	o, err := ReadOverrides(t.Context(), map[string]string{OverridesKey: text}, Most{100, 1000})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.String(); got != text {
		t.Errorf("written back as %s", got)
	}
	before := pod.Unknown.Paths()
	out := WithoutContainers(pod, Status{Containers: []string{"istio-proxy", "gone"}}, o)
	if got := strings.Join(out.Unknown.Paths(), " "); got != "spec.containers[app].new spec.containers[istio-proxy].new" {
		t.Errorf("unknown fields %s", got)
	}
	if value, _ := out.ContainersUnknown(podmodel.AppContainers).Below("istio-proxy").Value("new"); string(value) != "5" {
		t.Errorf("new is %s", value)
	}
	if !reflect.DeepEqual(pod.Unknown.Paths(), before) {
		t.Error("the pod given has been changed")
	}
}
