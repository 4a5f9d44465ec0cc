package workload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/workload"
)

var update = flag.Bool("update", false, "write the golden files anew")

// engine injects one container the way the real one does, through the same
// patches, with nothing of a configuration.
type engine struct{ seen []inject.Request }

func (e *engine) Inject(_ context.Context, req inject.Request) inject.Result {
	e.seen = append(e.seen, req)
	pod := new(corev1.Pod)
	if err := json.Unmarshal(req.Object, pod); err != nil {
		return inject.Result{Decision: decide.Decision{Code: decide.PodInvalid, Outcome: decide.Refuse, Message: err.Error()}}
	}
	switch {
	case pod.Spec.HostNetwork:
		return inject.Result{Decision: decide.Decision{Code: decide.HostNetwork, Outcome: decide.Skip, Message: "the pod uses the node's network"}}
	case pod.Labels["sidecar.istio.io/inject"] == "false":
		return inject.Result{Decision: decide.Decision{Code: decide.LabelFalse, Outcome: decide.Skip, Message: "the pod declines"}}
	case pod.Labels["bad"] != "":
		return inject.Result{Decision: decide.Decision{Code: decide.TemplateError, Outcome: decide.Refuse, Message: "bad label"}}
	}
	after := pod.DeepCopy()
	after.Spec.Containers = append(after.Spec.Containers, corev1.Container{Name: "istio-proxy", Image: "proxy", Args: []string{"true", "on", "1", "a: b"}, Env: []corev1.EnvVar{{Name: "JSON", Value: `{"a":1}`}, {Name: "LINES", Value: "a\nb\n"}, {Name: "TIME", Value: "12:30"}}})
	if after.Annotations == nil {
		after.Annotations = map[string]string{}
	}
	after.Annotations["sidecar.istio.io/status"] = `{"containers":["istio-proxy"]}`
	diff, err := patch.Diff(context.Background(), &podmodel.Pod{Pod: pod}, &podmodel.Pod{Pod: after})
	if err != nil {
		panic(err)
	}
	return inject.Result{Decision: decide.Decision{Outcome: decide.Inject}, Patch: diff, Pod: after}
}

func (e *engine) UninjectFor(_ context.Context, req inject.Request) ([]byte, error) {
	object := req.Object
	pod := new(corev1.Pod)
	if err := json.Unmarshal(object, pod); err != nil {
		return nil, err
	}
	if pod.Annotations["sidecar.istio.io/status"] == "" {
		return nil, nil
	}
	after := pod.DeepCopy()
	delete(after.Annotations, "sidecar.istio.io/status")
	after.Spec.Containers = nil
	for _, c := range pod.Spec.Containers {
		if c.Name != "istio-proxy" {
			after.Spec.Containers = append(after.Spec.Containers, c)
		}
	}
	return patch.Diff(context.Background(), &podmodel.Pod{Pod: pod}, &podmodel.Pod{Pod: after})
}

// Every file of testdata is a stream; beside it lies what comes out. Taking the
// injection out again must give the same data as at first.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out, back bytes.Buffer
			reports, err := workload.Inject(t.Context(), &engine{}, bytes.NewReader(in), &out, workload.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range reports {
				for _, w := range r.Warnings {
					fmt.Fprintf(&out, "# warning: %s\n", w)
				}
			}
			golden := strings.Replace(file, ".in.", ".out.", 1)
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, out.Bytes()) {
				t.Errorf("got:\n%s\nwant:\n%s", out.Bytes(), want)
			}
			if _, err := workload.Uninject(t.Context(), &engine{}, &out, &back, workload.Options{}); err != nil {
				t.Fatal(err)
			}
			if a, b := data(t, in), data(t, back.Bytes()); a != b {
				t.Errorf("not what it was:\n%s\nwas:\n%s", b, a)
			}
		})
	}
}

// data is the meaning of a stream, empty metadata left out.
func data(t *testing.T, stream []byte) string {
	t.Helper()
	var all []string
	objects := []any{}
	if stream[0] == '{' {
		for d := json.NewDecoder(bytes.NewReader(stream)); d.More(); {
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			objects = append(objects, v)
		}
	} else {
		objects = documents(t, stream)
	}
	for _, d := range objects {
		text, err := yaml.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	s := strings.Join(all, "---\n")
	for _, noise := range []string{"annotations: {}\n", "metadata: {}\n"} {
		lines := strings.SplitAfter(s, "\n")
		s = ""
		for _, l := range lines {
			if strings.TrimSpace(l)+"\n" != noise {
				s += l
			}
		}
	}
	return s
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: d
spec:
  template:
    spec:
      containers:
      - name: app
`

func inject1(t *testing.T, in string, o workload.Options) (string, []workload.Report, *engine) {
	t.Helper()
	var out bytes.Buffer
	e := &engine{}
	reports, err := workload.Inject(t.Context(), e, strings.NewReader(in), &out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), reports, e
}

// Documents that are not injected come out byte for byte, whatever they are.
func TestUntouchedBytes(t *testing.T) {
	for _, in := range []string{
		"",
		"\n\n",
		"# only a comment",
		"---\n---\n...\n",
		"a: 1\n--- # why\nb:   [ 1,2 ]   # as it was\r\n...\n# end",
		"--- {kind: ConfigMap, apiVersion: v1}\n---\n- a\n- list\n--- text\n",
		"kind: ConfigMap\napiVersion: v1\ndata:\n  x: |\n    --- not a separator\n    ---x\n",
		"apiVersion: v1\nkind: ConfigMap\nkind: ConfigMap\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: h}\nspec:   {hostNetwork: true,  containers: []}",
		"apiVersion: v1\nkind: Pod\nmetadata: {labels: {sidecar.istio.io/inject: 'false'}}\nspec:   {containers: []}",
		`{"kind":"ConfigMap" ,"apiVersion":"v1"}` + "\n\n" + `[1, 2]` + "\n",
		"{a: flow, b: [x]}\n",
		"apiVersion: v1\nkind: List\nitems:\n- 1\n- {kind: Service}\n-\n",
	} {
		out, _, _ := inject1(t, in, workload.Options{})
		if out != in {
			t.Errorf("in  %q\nout %q", in, out)
		}
	}
}

func TestKinds(t *testing.T) {
	template := `{"spec":{"containers":[{"name":"app"}]}}`
	for _, tc := range []struct{ apiVersion, kind, spec string }{
		{"v1", "Pod", `{"containers":[{"name":"app"}]}`},
		{"v1", "ReplicationController", `{"template":` + template + `}`},
		{"apps/v1", "Deployment", `{"template":` + template + `}`},
		{"extensions/v1beta1", "Deployment", `{"template":` + template + `}`},
		{"apps/v1", "DaemonSet", `{"template":` + template + `}`},
		{"apps/v1", "StatefulSet", `{"template":` + template + `}`},
		{"apps/v1", "ReplicaSet", `{"template":` + template + `}`},
		{"batch/v1", "Job", `{"template":` + template + `}`},
		{"batch/v1", "CronJob", `{"jobTemplate":{"spec":{"template":` + template + `}}}`},
		{"batch/v1beta1", "CronJob", `{"jobTemplate":{"spec":{"template":` + template + `}}}`},
		{"apps.openshift.io/v1", "DeploymentConfig", `{"template":` + template + `}`},
		{"argoproj.io/v1alpha1", "Rollout", `{"template":` + template + `}`},
	} {
		t.Run(tc.apiVersion+" "+tc.kind, func(t *testing.T) {
			in := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"n","namespace":"ns"},"spec":%s}`, tc.apiVersion, tc.kind, tc.spec)
			out, reports, e := inject1(t, in, workload.Options{Namespace: "other"})
			if !strings.Contains(out, "istio-proxy") || len(reports) != 1 || !reports[0].Changed {
				t.Fatalf("got %s, %+v", out, reports)
			}
			if got := reports[0].String(); got != tc.kind+` "ns/n"` {
				t.Errorf("named %s", got)
			}
			req := e.seen[0]
			if req.Namespace != "ns" {
				t.Errorf("namespace %q", req.Namespace)
			}
			if tc.kind == "Pod" {
				if req.Owner != nil {
					t.Errorf("owner %+v", req.Owner)
				}
			} else if req.Owner.TypeMeta.Kind != tc.kind || req.Owner.TypeMeta.APIVersion != tc.apiVersion || req.Owner.ObjectMeta.Name != "n" {
				t.Errorf("owner %+v", req.Owner)
			}
		})
	}
	for _, other := range []string{`{"apiVersion":"example.com/v1","kind":"Deployment"}`, `{"apiVersion":"v1","kind":"Service"}`, `{"kind":"Pod"}`} {
		if _, reports, _ := inject1(t, other, workload.Options{}); len(reports) != 0 {
			t.Errorf("%s: %+v", other, reports)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"host network", "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ns}\nspec: {hostNetwork: true, containers: []}", `Skipping injection because Pod "ns/p" has host networking enabled: the pod uses the node's network (host-network)`},
		{"opted out", strings.Replace(deployment, "template:\n", "template:\n    metadata: {labels: {sidecar.istio.io/inject: \"false\"}}\n", 1), `Skipping injection because Deployment "d" has sidecar injection disabled: the pod declines (label-false)`},
		{"label on the workload", strings.Replace(deployment, "name: d\n", "name: d\n  labels: {sidecar.istio.io/inject: \"true\"}\n", 1), `Deployment "d": the label sidecar.istio.io/inject on the Deployment has no effect; put it on the pod template`},
		{"annotation on the workload", strings.Replace(deployment, "name: d\n", "name: d\n  annotations: {sidecar.istio.io/inject: \"false\"}\n", 1), `the annotation sidecar.istio.io/inject on the Deployment has no effect`},
		{"no template", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: r}\nspec: {workloadRef: {name: x}}", `Rollout "r" is left as it is: it has no pod template`},
		{"generateName", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: g-}\nspec: {hostNetwork: true, containers: []}", `Pod "g-" has host networking`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, reports, _ := inject1(t, tc.in, workload.Options{})
			if len(reports) != 1 || len(reports[0].Warnings) != 1 || !strings.Contains(reports[0].Warnings[0], tc.want) {
				t.Errorf("got %+v", reports)
			}
		})
	}
	both := strings.Replace(strings.Replace(deployment, "name: d\n", "name: d\n  labels: {sidecar.istio.io/inject: \"true\"}\n", 1), "template:\n", "template:\n    metadata: {annotations: {sidecar.istio.io/inject: \"true\"}}\n", 1)
	if _, reports, _ := inject1(t, both, workload.Options{}); len(reports[0].Warnings) != 0 {
		t.Errorf("warned though the template says it too: %v", reports[0].Warnings)
	}
}

// With any error nothing is written, and all errors are told.
func TestErrors(t *testing.T) {
	stream := strings.Join([]string{
		deployment,
		"a: [\n",
		strings.Replace(deployment, "template:\n", "template:\n    metadata: {labels: {bad: \"1\"}}\n", 1),
		"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [], hostname: a, hostname: b}\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: [1]}\nspec: {containers: []}\n",
	}, "---\n")
	var out bytes.Buffer
	_, err := workload.Inject(t.Context(), &engine{}, strings.NewReader(stream), &out, workload.Options{})
	if err == nil || out.Len() != 0 {
		t.Fatalf("error %v, output %q", err, out.String())
	}
	for _, want := range []string{"document at line 11: ", `document at line 13: Deployment "d": bad label`, `document at line 24: `, `"hostname" already set`, "document at line 29: Pod \"\": metadata: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
	if _, err := workload.Inject(t.Context(), &engine{}, failing{}, &out, workload.Options{}); err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("got %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestFormats(t *testing.T) {
	const stream = "# a comment\nkind: ConfigMap\napiVersion: v1\n---\n# nothing\n---\n" + deployment
	asJSON, _, _ := inject1(t, stream, workload.Options{Format: workload.JSON})
	if !strings.HasPrefix(asJSON, "{\n    \"kind\": \"ConfigMap\",\n    \"apiVersion\": \"v1\"\n}\n{\n    \"apiVersion\": \"apps/v1\",\n    \"kind\": \"Deployment\",") {
		t.Errorf("got %s", asJSON)
	}
	asYAML, _, _ := inject1(t, asJSON, workload.Options{Format: workload.YAML})
	if !strings.HasPrefix(asYAML, "kind: ConfigMap\napiVersion: v1\n---\napiVersion: apps/v1\nkind: Deployment\n") {
		t.Errorf("got %s", asYAML)
	}
	same, _, _ := inject1(t, asJSON, workload.Options{})
	if asJSON == same || strings.Count(same, "istio-proxy") != 1+strings.Count(asJSON, "istio-proxy") {
		t.Errorf("got %s", same)
	}
	line, _, _ := inject1(t, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"\ud83d\ude00<"},"spec":{"containers":[],"n":1.50}}`, workload.Options{})
	if strings.Contains(line, "\n") || !strings.Contains(line, `"😀<"`) || !strings.Contains(line, `"n":1.50`) {
		t.Errorf("got %s", line)
	}
	yamlToo, _, _ := inject1(t, stream, workload.Options{Format: workload.YAML})
	if !strings.HasPrefix(yamlToo, "# a comment\nkind: ConfigMap\napiVersion: v1\n---\napiVersion: apps/v1\n") {
		t.Errorf("got %s", yamlToo)
	}
}
