package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// archives writes an image for each architecture and returns the files.
func archives(t *testing.T, architectures ...string) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i, arch := range architectures {
		path := filepath.Join(dir, string(rune('a'+i))+".tar")
		program := writeFile(t, dir, arch, "program for "+arch)
		var stderr bytes.Buffer
		if code := run([]string{"--ref", "example.test/x:1", "--arch", arch, "--out", path, program + ":/usr/local/bin/x"}, io.Discard, &stderr); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr.String())
		}
		paths = append(paths, path)
	}
	return paths
}

func platforms(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range manifest.Manifests {
		found = append(found, m.Platform.String())
	}
	return strings.Join(found, " ")
}

func TestIndexIsALayoutOfAllArchitectures(t *testing.T) {
	in := archives(t, "amd64", "arm64")
	dir := t.TempDir()
	var written [2][]byte
	var stdout bytes.Buffer
	for i := range written {
		out := filepath.Join(dir, "index.tar")
		var stderr bytes.Buffer
		stdout.Reset()
		if code := run(append([]string{"index", "--ref", "example.test/x:1", "--out", out}, in...), &stdout, &stderr); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr.String())
		}
		content, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		written[i] = content
	}
	if !bytes.Equal(written[0], written[1]) {
		t.Error("two indexes of the same images differ")
	}
	unpacked := filepath.Join(dir, "layout")
	untar(t, written[0], unpacked)
	root, err := layout.ImageIndexFromPath(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Annotations["io.containerd.image.name"] != "example.test/x:1" {
		t.Fatalf("the layout holds %+v", manifest.Manifests)
	}
	index, err := root.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if got := platforms(t, index); got != "linux/amd64 linux/arm64" {
		t.Errorf("the index holds %s", got)
	}
	if want := "example.test/x:1@" + manifest.Manifests[0].Digest.String() + "\n"; stdout.String() != want {
		t.Errorf("printed %q, want %q", stdout.String(), want)
	}
}

func TestIndexIsPushed(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/x:1"
	var stderr bytes.Buffer
	if code := run(append([]string{"index", "--ref", ref, "--push"}, archives(t, "amd64", "arm64")...), io.Discard, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag)
	if err != nil {
		t.Fatal(err)
	}
	if got := platforms(t, index); got != "linux/amd64 linux/arm64" {
		t.Errorf("the registry holds %s", got)
	}
}

func TestIndexSaysWhatIsWrong(t *testing.T) {
	two := archives(t, "amd64", "amd64")
	out := filepath.Join(t.TempDir(), "o.tar")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no archives", []string{"--ref", "x:1", "--out", out}, 2, "no archives"},
		{"nothing to do", []string{"--ref", "x:1", two[0]}, 2, "nothing to do"},
		{"bad reference", []string{"--ref", "X X", "--out", out, two[0]}, 2, `--ref "X X"`},
		{"twice the same", []string{"--ref", "x:1", "--out", out, two[0], two[1]}, 1, "are both for linux/amd64"},
		{"no archive", []string{"--ref", "x:1", "--out", out, "nowhere.tar"}, 1, "nowhere.tar"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(append([]string{"index"}, c.args...), io.Discard, &stderr); code != c.code || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("exit %d, said %q; want %d and %q", code, stderr.String(), c.code, c.want)
			}
		})
	}
}

func untar(t *testing.T, content []byte, dir string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(content))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, header.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
