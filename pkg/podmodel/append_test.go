package podmodel_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

func mustDecode(t *testing.T, data []byte) *podmodel.Pod {
	t.Helper()
	pod, err := podmodel.Decode(context.Background(), data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return pod
}

func written(t *testing.T, pod *podmodel.Pod) []byte {
	t.Helper()
	out, err := podmodel.Append(nil, podschema.Pod(), reflect.ValueOf(pod.Pod).Elem(), pod.Unknown)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is written decodes to the same pod, unknown fields included.
func TestWrittenPodsDecodeBack(t *testing.T) {
	for seed := range uint64(300) {
		g := podgen.New(seed)
		data, err := json.Marshal(podgen.Typed[corev1.Pod](g))
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal(data, &tree); err != nil {
			t.Fatal(err)
		}
		g.AddUnknown(tree, podschema.Pod(), false)
		if data, err = json.Marshal(tree); err != nil {
			t.Fatal(err)
		}
		pod := mustDecode(t, data)
		out := written(t, pod)
		if !jsontext.Value(out).IsValid() { // a name twice is not valid either
			t.Fatalf("seed %d: wrote %s", seed, out)
		}
		back := mustDecode(t, out)
		if !equality.Semantic.DeepEqual(back.Pod, pod.Pod) || !podmodel.Equal(back.Unknown, pod.Unknown) {
			t.Fatalf("seed %d: wrote %s\nof %s", seed, out, data)
		}
	}
}

// Known fields are written in the order of the Go type, then unknown ones by name.
// What says nothing is left out.
func TestWrittenText(t *testing.T) {
	const full = `{"metadata":{"name":"a","labels":{"k":"v","l":"w"}},"spec":{"containers":[{"name":"a","args":["x","y"],` +
		`"ports":[{"containerPort":1},{"containerPort":2,"newPort":[1]}],"resources":{"limits":{"cpu":"1","memory":"1Gi"}},` +
		`"livenessProbe":{"httpGet":{"port":"http"}},"readinessProbe":{"tcpSocket":{"port":80}},"tty":true,"newA":1,"newB":{"c":null}},{"name":"b"}],` +
		`"activeDeadlineSeconds":0,"overhead":{"cpu":"1"}},"newTop":true}`
	for _, tc := range []struct{ in, want string }{
		{full, full},
		{`{"metadata":{"labels":{},"annotations":null,"creationTimestamp":null},"spec":{"volumes":[],"containers":null,"hostNetwork":false,"securityContext":null}}`, `{}`},
		{`{"spec":{"containers":[]}}`, `{"spec":{"containers":[]}}`},
		{`{"spec":{"securityContext":{}}}`, `{"spec":{"securityContext":{}}}`},
		{`{"spec":{"containers":[{"name":"a","resources":{"new":1}}]},"status":{"new":{}}}`, `{"spec":{"containers":[{"name":"a","resources":{"new":1}}]},"status":{"new":{}}}`},
		{`{"new":1}`, `{"new":1}`},
	} {
		if got := string(written(t, mustDecode(t, []byte(tc.in)))); got != tc.want {
			t.Errorf("%s\ngot  %s\nwant %s", tc.in, got, tc.want)
		}
	}
}

func TestPresent(t *testing.T) {
	spec := podschema.Pod().Field("spec").Type
	for _, tc := range []struct {
		field string
		spec  corev1.PodSpec
		want  bool
	}{
		{"securityContext", corev1.PodSpec{}, false},
		{"securityContext", corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{}}, true},
		{"nodeSelector", corev1.PodSpec{NodeSelector: map[string]string{}}, false},
		{"nodeSelector", corev1.PodSpec{NodeSelector: map[string]string{"a": "b"}}, true},
		{"tolerations", corev1.PodSpec{Tolerations: []corev1.Toleration{}}, false},
		{"tolerations", corev1.PodSpec{Tolerations: []corev1.Toleration{{}}}, true},
		{"containers", corev1.PodSpec{}, false},
		{"containers", corev1.PodSpec{Containers: []corev1.Container{}}, true},
		{"containers", corev1.PodSpec{Containers: []corev1.Container{{}}}, true},
		{"hostNetwork", corev1.PodSpec{}, false},
		{"hostNetwork", corev1.PodSpec{HostNetwork: true}, true},
	} {
		f := spec.Field(tc.field)
		if got := podmodel.Present(f, f.Of(reflect.ValueOf(tc.spec))); got != tc.want {
			t.Errorf("%s of %+v: %v", tc.field, tc.spec, got)
		}
	}
	for _, name := range []string{"resources", "name"} { // a struct, and text without omitempty
		f := podschema.Container().Field(name)
		if !podmodel.Present(f, f.Of(reflect.ValueOf(corev1.Container{}))) {
			t.Errorf("%s is not there", name)
		}
	}
}

func TestAppendQuoted(t *testing.T) {
	for c := range 256 {
		for _, s := range []string{string([]byte{byte(c)}), "a" + string([]byte{byte(c)}) + "b", string(rune(c)) + "z"} {
			want, _ := jsontext.AppendQuote(nil, s)
			if got := podmodel.AppendQuoted([]byte("x"), s); string(got) != "x"+string(want) {
				t.Errorf("%q: got %s, want x%s", s, got, want)
			}
		}
	}
}

// A value that has no JSON is an error, wherever it is.
func TestAppendErrors(t *testing.T) {
	type odd struct {
		Field intstr.IntOrString            `json:"field"`
		List  []intstr.IntOrString          `json:"list,omitempty"`
		Map   map[string]intstr.IntOrString `json:"map,omitempty"`
	}
	bad := intstr.IntOrString{Type: 7}
	for name, v := range map[string]odd{
		"in a struct": {Field: bad},
		"in a list":   {List: []intstr.IntOrString{{}, bad}},
		"in a map":    {Map: map[string]intstr.IntOrString{"a": bad}},
	} {
		if out, err := podmodel.Append(nil, podschema.For(reflect.TypeFor[odd]()), reflect.ValueOf(&v).Elem(), nil); err == nil {
			t.Errorf("%s: wrote %s", name, out)
		}
	}
	v := odd{List: []intstr.IntOrString{{}, {Type: intstr.String, StrVal: "a"}}, Map: map[string]intstr.IntOrString{"a": {}, "b": {IntVal: 1}}}
	out, err := podmodel.Append(nil, podschema.For(reflect.TypeFor[odd]()), reflect.ValueOf(&v).Elem(), nil)
	if want := `{"field":0,"list":[0,"a"],"map":{"a":0,"b":1}}`; err != nil || string(out) != want {
		t.Errorf("wrote %s, error %v, want %s", out, err, want)
	}
}

func TestContainerJSON(t *testing.T) {
	for _, text := range []string{
		`{"name":"a","resources":{}}`, // as encoding/json writes it
		`{"name":"a","image":"i","new":{"b":1}}`,
	} {
		var c podmodel.Container
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		if out, err := json.Marshal(c); err != nil || string(out) != text {
			t.Errorf("wrote %s, error %v, want %s", out, err, text)
		}
	}
	c := podmodel.Container{Container: corev1.Container{Name: "kept"}}
	if err := json.Unmarshal([]byte("null"), &c); err != nil || c.Name != "kept" {
		t.Errorf("null: %+v, error %v", c, err)
	}
	if err := json.Unmarshal([]byte(`{"name":1}`), &c); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("got %v", err)
	}
}
