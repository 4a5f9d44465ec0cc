package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = "Text.\n\n```\n$ helm install a \\\n    --set b=c\n$ kubectl get pods\nNAME\n...\n```\n\n```yaml\n# my-file.yaml\na: 1\n```\n```yaml\nnot: ours\n```\n\n$ not a block\n\n```console\n$ make demo\nup\n\n  $ helm install\n```\n"

func TestRead(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.md"), []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Read(root, "a.md")
	if err != nil {
		t.Fatal(err)
	}
	want := Document{
		Commands: []Command{
			{"a.md", 4, "helm install a --set b=c", ""},
			{"a.md", 6, "kubectl get pods", "NAME\n...\n"},
			{"a.md", 22, "make demo", "up\n\n  $ helm install\n"},
		},
		Files: map[string]string{"my-file.yaml": "# my-file.yaml\na: 1\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(filepath.Join(root, "b.md"), []byte("```\n$ a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(root, "b.md"); err == nil || !strings.Contains(err.Error(), "b.md:1: the block has no end") {
		t.Errorf("an open block: %v", err)
	}
	if _, err := Read(root, "none.md"); err == nil {
		t.Error("no file, and no error")
	}
}

func TestKind(t *testing.T) {
	for text, want := range map[string]Kind{
		"kubectl sidecar validate --chart x": Plugin, "kubectl sidecar explain pod": Cluster, "kubectl get pods": Cluster, "helm install": Cluster, "make demo": Make,
	} {
		if got := (Command{Text: text}).Kind(); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestShows(t *testing.T) {
	for _, c := range []struct {
		shown, real string
		want        bool
	}{
		{"a\nb\n", "a\nb", true},
		{"a\nb\n", "a\n", false},
		{"a\n", "a\nb\n", false},
		{"...\nb\n", "x\ny\nb\n", true},
		{"a\n    ...\n", "a\nx\n", true},
		{"a\n...\nc\n", "a\nb\n", false},
		{"", "", true},
		{"long li...\n", "long line", true},
		{"long li...\n", "another line", false},
	} {
		if got := (Command{Output: c.shown}).Shows(c.real); got != c.want {
			t.Errorf("%q shows %q: %t", c.shown, c.real, got)
		}
	}
}

// What README and the reference tell to make exists.
func TestTargetsExist(t *testing.T) {
	const root = "../.."
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range []string{"README.md", "docs/templates.md", "CONTRIBUTING.md"} {
		d, err := Read(root, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range d.Commands {
			if c.Kind() != Make {
				continue
			}
			found++
			if target := strings.Fields(c.Text)[1]; !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("%s: the Makefile has no such target", c)
			}
		}
	}
	if found == 0 {
		t.Error("no target was found")
	}
}
