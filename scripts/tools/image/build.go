package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// unprivileged is the user and group the image runs as: the number that
// distroless images use for "nonroot", so cluster policies know it.
const unprivileged = "65532:65532"

// File is one file of the image.
type File struct {
	Source string // path on this machine
	Target string // absolute path in the image
}

// Spec says what goes into an image.
type Spec struct {
	Files        []File
	Entrypoint   string // empty means the first file's target
	Architecture string // as GOARCH
}

// Build makes a one-layer image. Equal files give equal digests: every
// timestamp is the epoch and files are in order of their paths.
func Build(spec Spec) (v1.Image, error) {
	content, err := layerTar(spec.Files)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the layer: %w", err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("add the layer: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", spec.Architecture
	file.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	entrypoint := spec.Entrypoint
	if entrypoint == "" {
		entrypoint = spec.Files[0].Target
	}
	file.Config = v1.Config{
		Entrypoint: []string{entrypoint},
		Env:        []string{"PATH=/usr/local/bin"},
		User:       unprivileged,
		WorkingDir: "/",
	}
	return mutate.ConfigFile(img, file)
}

func layerTar(files []File) ([]byte, error) {
	sorted := append([]File(nil), files...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Target < sorted[j].Target })
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	dirs := map[string]bool{}
	for _, f := range sorted {
		if err := addDirs(w, dirs, path.Dir(f.Target)); err != nil {
			return nil, err
		}
		if err := addFile(w, f); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func addDirs(w *tar.Writer, done map[string]bool, dir string) error {
	if dir == "/" || done[dir] {
		return nil
	}
	if err := addDirs(w, done, path.Dir(dir)); err != nil {
		return err
	}
	done[dir] = true
	return w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: 0o755, ModTime: time.Unix(0, 0),
	})
}

func addFile(w *tar.Writer, f File) error {
	content, err := os.ReadFile(f.Source)
	if err != nil {
		return err
	}
	info, err := os.Stat(f.Source)
	if err != nil {
		return err
	}
	// Of a file's rights, only whether it can be run: the rest is this machine's.
	mode := int64(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	err = w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.Target, "/"),
		Mode: mode, Size: int64(len(content)), ModTime: time.Unix(0, 0),
	})
	if err != nil {
		return fmt.Errorf("add %s: %w", f.Source, err)
	}
	_, err = w.Write(content)
	return err
}
