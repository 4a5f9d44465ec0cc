package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
)

func archive(t *testing.T, at time.Time, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chart.tgz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(f)
	w := tar.NewWriter(zipped)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(name)), ModTime: at, Uid: 1000}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []io.Closer{w, zipped, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestEqualContentGivesEqualArchives(t *testing.T) {
	first := archive(t, time.Unix(1, 0), "chart/Chart.yaml", "chart/a", "chart/b/c")
	second := archive(t, time.Unix(2, 0), "chart/b/c", "chart/a", "chart/Chart.yaml")
	for _, path := range []string{first, second} {
		var wrong bytes.Buffer
		if code := run([]string{"repack", "--time", "2026-01-02T03:04:05Z", path}, io.Discard, &wrong); code != 0 {
			t.Fatalf("exit %d: %s", code, wrong.String())
		}
	}
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two archives of the same files differ")
	}
	files, err := readArchive(a)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.header.Name)
		if string(f.content) != f.header.Name || f.header.ModTime.UTC().Format(time.RFC3339) != "2026-01-02T03:04:05Z" || f.header.Uid != 0 {
			t.Errorf("%s holds %q, of %s, of user %d", f.header.Name, f.content, f.header.ModTime, f.header.Uid)
		}
	}
	if got := strings.Join(names, " "); got != "chart/Chart.yaml chart/a chart/b/c" {
		t.Errorf("files in the order %s", got)
	}
}

func TestBillOfMaterials(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "sbom.json")
	var wrong bytes.Buffer
	args := []string{"sbom", "--name", "thing", "--version", "1.2.3", "--time", "2026-01-02T03:04:05Z", "--out", out, self}
	if code := run(args, io.Discard, &wrong); code != 0 {
		t.Fatalf("exit %d: %s", code, wrong.String())
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	document, err := spdxjson.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if document.SPDXVersion != "SPDX-2.3" || document.CreationInfo.Created != "2026-01-02T03:04:05Z" {
		t.Errorf("document of version %s, created %s", document.SPDXVersion, document.CreationInfo.Created)
	}
	found := map[string]bool{}
	for _, p := range document.Packages {
		for _, r := range p.PackageExternalReferences {
			found[strings.Split(r.Locator, "@")[0]] = true
		}
	}
	for _, want := range []string{"pkg:golang/stdlib", "pkg:golang/github.com/spdx/tools-golang"} {
		if !found[want] {
			t.Errorf("no %s among %v", want, found)
		}
	}
	if len(document.Relationships) != len(document.Packages) {
		t.Errorf("%d packages, %d relationships", len(document.Packages), len(document.Relationships))
	}
	again := out + ".again"
	args[len(args)-2] = again
	if code := run(args, io.Discard, &wrong); code != 0 {
		t.Fatalf("exit %d: %s", code, wrong.String())
	}
	if second, err := os.ReadFile(again); err != nil || !bytes.Equal(text, second) {
		t.Errorf("the second document differs (%v)", err)
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	const at = "2026-01-02T03:04:05Z"
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing", nil, 2, "usage"},
		{"unknown", []string{"publish"}, 2, `unknown command "publish"`},
		{"no time", []string{"repack", "x"}, 2, "want RFC 3339"},
		{"no file", []string{"repack", "--time", at}, 2, "usage"},
		{"no archive", []string{"repack", "--time", at, text}, 1, "gzip"},
		{"no program", []string{"sbom", "--name", "a", "--version", "1", "--out", text + ".json", "--time", at, text}, 1, "want a Go program"},
		{"no name", []string{"sbom", "--version", "1", "--out", "x", "--time", at, text}, 2, "usage"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var wrong bytes.Buffer
			if code := run(c.args, io.Discard, &wrong); code != c.code || !strings.Contains(wrong.String(), c.want) {
				t.Errorf("exit %d, said %q; want %d and %q", code, wrong.String(), c.code, c.want)
			}
		})
	}
}
