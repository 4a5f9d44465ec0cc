package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"testing"
)

func entries(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWrite(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, "example.test/app:1", "app", "arm64", []byte("program")); err != nil {
		t.Fatal(err)
	}
	files := entries(t, out.Bytes())
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || manifest[0].RepoTags[0] != "example.test/app:1" {
		t.Fatalf("manifest is %+v", manifest)
	}
	var config struct {
		Architecture string
		RootFS       struct {
			DiffIDs []string `json:"diff_ids"`
		}
		Config struct{ Entrypoint []string }
	}
	if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	layer := files[manifest[0].Layers[0]]
	if want := "sha256:" + digest(layer); config.RootFS.DiffIDs[0] != want {
		t.Errorf("layer digest is %s, want %s", config.RootFS.DiffIDs[0], want)
	}
	if config.Architecture != "arm64" || config.Config.Entrypoint[0] != "/app" {
		t.Errorf("config is %+v", config)
	}
	if got := string(entries(t, layer)["app"]); got != "program" {
		t.Errorf("layer holds %q, want the program", got)
	}
}
