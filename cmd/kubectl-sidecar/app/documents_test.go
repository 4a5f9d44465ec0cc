package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/docs"
)

// Every command of the documents that needs no cluster is run as it stands there, with
// the files that the document shows, and prints what the document says.
func TestDocuments(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "docs/templates.md"} {
		t.Run(name, func(t *testing.T) {
			document, err := docs.Read(root, name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.Symlink(filepath.Join(root, "charts"), filepath.Join(dir, "charts")); err != nil {
				t.Fatal(err)
			}
			for file, text := range document.Files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Chdir(dir)
			ran := 0
			for _, c := range document.Commands {
				if c.Kind() == docs.Plugin {
					ran++
					runDocumented(t, c)
				}
			}
			if ran == 0 {
				t.Error("no command was run")
			}
		})
	}
}

func runDocumented(t *testing.T, c docs.Command) {
	t.Helper()
	if strings.ContainsAny(c.Text, `'"|><$;`) {
		t.Errorf("%s: needs a shell, which this test has not", c)
		return
	}
	var out bytes.Buffer
	args := strings.Fields(c.Text)[2:] // without "kubectl sidecar"
	status := Run(context.Background(), "v1.2.3", args, []string{"KUBECONFIG=no-such-config"}, strings.NewReader(""), &out, &out)
	if fails := strings.Contains(c.Output, "kubectl-sidecar: "); fails != (status != 0) || !c.Shows(out.String()) {
		t.Errorf("%s\nexit status %d, prints\n%s", c, status, out.String())
	}
}
