package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func writeFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunWritesALoadableArchive(t *testing.T) {
	dir := t.TempDir()
	a, b := writeFile(t, dir, "a", "first"), writeFile(t, dir, "b", "second")
	if err := os.Chmod(b, 0o700); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out", "image.tar")
	var stdout, stderr bytes.Buffer
	args := []string{"--ref", "example.test/x:1", "--out", out, "--entrypoint", "/usr/local/bin/b", a + ":/usr/local/bin/a", b + ":/usr/local/bin/b"}
	if code := run(args, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	tag, err := name.NewTag("example.test/x:1")
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(out, &tag)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stdout.String(), "example.test/x:1@"+digest.String()+"\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Config.User != unprivileged || file.Config.Entrypoint[0] != "/usr/local/bin/b" {
		t.Errorf("config %+v", file.Config)
	}
	got := map[string]string{}
	r := tar.NewReader(mutate.Extract(img))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got["/"+strings.Trim(h.Name, "/")] = string(content)
		// What can be run here can be run there; the rest of the rights is not taken over.
		if want := map[string]int64{"usr/local/bin/a": 0o644, "usr/local/bin/b": 0o755}[h.Name]; want != 0 && h.Mode != want {
			t.Errorf("%s has mode %o, want %o", h.Name, h.Mode, want)
		}
	}
	if got["/usr/local/bin/a"] != "first" || got["/usr/local/bin/b"] != "second" || len(got) != 5 {
		t.Errorf("image holds %v", got)
	}
}

func TestEqualFilesGiveEqualImages(t *testing.T) {
	digests := map[string]bool{}
	for range 2 {
		dir := t.TempDir()
		files := []File{
			{Source: writeFile(t, dir, "z", "zz"), Target: "/z"},
			{Source: writeFile(t, dir, "a", "aa"), Target: "/a"},
		}
		img, err := Build(Spec{Files: files, Architecture: "arm64"})
		if err != nil {
			t.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[digest.String()] = true
	}
	if len(digests) != 1 {
		t.Errorf("two builds of the same files gave %v", digests)
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	a := writeFile(t, dir, "a", "first") + ":/a"
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no files", []string{"--ref", "x:1", "--out", "o"}, 2, "no files: give SOURCE:TARGET"},
		{"relative target", []string{"--ref", "x:1", "--out", "o", "a:b"}, 2, `file "a:b"`},
		{"bad reference", []string{"--ref", "X X", "--out", "o", a}, 2, `--ref "X X"`},
		{"nothing to do", []string{"--ref", "x:1", a}, 2, "nothing to do"},
		{"missing source", []string{"--ref", "x:1", "--out", filepath.Join(dir, "o"), "nowhere:/a"}, 1, "nowhere"},
		{"unwritable", []string{"--ref", "x:1", "--out", filepath.Join(dir, "a", "o"), a}, 1, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(c.args, io.Discard, &stderr); code != c.code || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("exit %d, said %q; want %d and %q", code, stderr.String(), c.code, c.want)
			}
		})
	}
}
