package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The API server of the kubeconfig judges the sample pods, in its namespace, when the
// configuration is good otherwise.
func TestValidateWithDryRun(t *testing.T) {
	asked := 0
	answer := `{"kind":"Pod","apiVersion":"v1"}`
	status := http.StatusCreated
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Method != http.MethodPost || r.URL.Path != "/api/v1/namespaces/shop/pods" || r.URL.Query().Get("dryRun") != "All" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kubeconfig := write("kubeconfig", fmt.Sprintf("{clusters: [{name: c, cluster: {server: %q}}], contexts: [{name: c, context: {cluster: c, namespace: shop}}], current-context: c}", server.URL))
	mesh := write("mesh.yaml", "rootNamespace: istio-system\n")
	validate := func(template string) (int, string, string) {
		config := write("inject.yaml", "policy: enabled\ntemplates: {sidecar: \""+template+"\"}\n")
		return invoke(t, "validate", "--dry-run=server", "--kubeconfig", kubeconfig, "--injectConfigFile", config, "--meshConfigFile", mesh)
	}
	const good = "spec: {containers: [{name: own, image: own}]}"

	exit, stdout, stderr := validate(good)
	if want := fmt.Sprintf("dry run:   %d sample pods tried by the API server in namespace shop\n", asked); exit != 0 || asked == 0 || !strings.Contains(stdout, want) {
		t.Errorf("exit status %d, %q, %q, want %q", exit, stdout, stderr, want)
	}

	status = http.StatusUnprocessableEntity
	answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422,"details":{"kind":"Pod","causes":[{"field":"spec.someday","message":"Forbidden: not yet"}]}}`
	if exit, _, stderr := validate(good); exit != 1 || strings.Count(stderr, "the API server refuses the injected pod: spec.someday: Forbidden: not yet") != 1 {
		t.Errorf("refused: exit status %d, %q", exit, stderr)
	}

	asked = 0
	if exit, _, stderr := validate("spec: {{ nothing }}"); exit != 1 || asked != 0 {
		t.Errorf("a bad configuration: exit status %d after %d calls, %q", exit, asked, stderr)
	}
}
