package templatedocs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/cmd/kubectl-sidecar/app"
)

// mistake is a template that is refused, or warned of, and what its author does about it.
type mistake struct{ title, template, advice string }

var mistakes = []mistake{
	{"An action without its end", "spec:\n  containers:\n  - name: {{ .DeploymentMeta.Name\n", "Close every `{{` with `}}` on the same line, and every `if`, `range`, `with` and `define` with `{{ end }}`."},
	{"A function that there is not", "spec:\n  containers:\n  - name: hello-proxy\n    image: {{ lookup \"hub\" }}/a\n", "Look it up in [the functions](#functions). Helm's own (`include`, `tpl`, `lookup`, `required`) are not there: a template here is not one of Helm's."},
	{"A field of the data that there is not", "spec:\n  containers:\n  - name: {{ .Release.Name }}\n    image: a\n", "Look it up in [what a template sees](#what-a-template-sees). Values of yours are below `.Values`."},
	{"A value that is not there", "spec:\n  containers:\n  - name: hello-proxy\n    image: {{ .Values.globl.hub }}/hello-proxy:1\n", "Correct the name, give the value in `templateValues`, or give it a default: `{{ .Values.hub | default \"registry.example.com\" }}`."},
	{"YAML that cannot be read", "spec:\n  containers:\n  - name: hello-proxy\n   image: a\n", "The lines around the error are those that were rendered. Often a text needs `toJSON`, a block another `nindent`, or an action `{{-`."},
	{"A field that Kubernetes does not have", "spec:\n  containers:\n  - name: hello-proxy\n    imagee: a\n", "Correct the name. For a field of a newer Kubernetes, name it in the chart's `additionalFields`."},
	{"Containers outside of spec", "containers:\n- name: hello-proxy\n  image: a\n", "Put them below `spec:`."},
	{"A value of the wrong type", "spec:\n  containers:\n  - name: hello-proxy\n    image: a\n    ports:\n    - containerPort: http\n", "The field is named; write what is said there."},
	{"What the API server would refuse", "spec:\n  containers:\n  - name: Hello_Proxy\n    volumeMounts:\n    - {name: data, mountPath: /data}\n", "Every pod would be refused, so the configuration is. A volume that the pods bring along belongs into the template too, or into a sample pod of yours, see [what counts as an error](#what-counts-as-an-error)."},
	{"Output without end", "spec:\n  containers:\n  - name: hello-proxy\n    image: {{ repeat 1000000000 \"a\" }}\n", "See [the limits](#limits)."},
	{"An error of one's own", "spec:\n  containers:\n  - name: hello-proxy\n    image: {{ .Values.helloImage | default (fail \"set templateValues.helloImage\") }}\n", "`fail` is evaluated wherever it stands in an action that is executed; put it into an `if`."},
}

// errorsSection shows what the command line says about each mistake.
func errorsSection(t *testing.T) string {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(root, "charts"), filepath.Join(dir, "charts")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	defer t.Chdir(filepath.Join(root, "test", "templatedocs"))
	var out strings.Builder
	for _, m := range mistakes {
		if err := os.WriteFile("my-sidecar.yaml", []byte(m.template), 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		status := app.Run(context.Background(), "v1.2.3", strings.Fields("validate --chart charts/istio-sidecar-injector --set-file templates.sidecar=my-sidecar.yaml --nativeSidecars on"),
			[]string{"KUBECONFIG=no-such-config"}, strings.NewReader(""), &said, &said)
		if status != 1 {
			t.Errorf("%s: exit status %d, want 1: %s", m.title, status, said.String())
		}
		if !strings.Contains(said.String(), "my-sidecar.yaml:") || strings.Contains(said.String(), ":config:") {
			t.Errorf("%s: it is not said where in the author's own file: %s", m.title, said.String())
		}
		fmt.Fprintf(&out, "**%s.** %s\n\n", m.title, m.advice)
		out.WriteString(block("yaml", m.template))
		out.WriteString(block("", strings.ReplaceAll(said.String(), "kubectl-sidecar: ", "")))
		out.WriteString("\n")
	}
	return out.String()
}
