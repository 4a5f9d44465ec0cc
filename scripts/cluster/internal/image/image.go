// Package image writes container images of static programs.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"time"
)

// Write writes to w, in the format of docker save, an image called reference
// whose only file is program, at /name, which is also what it runs.
func Write(w io.Writer, reference, name, architecture string, program []byte) error {
	layer, err := archive([]file{{name, 0o755, program}})
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": architecture,
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": []string{"/" + name}, "User": "65535:65535"},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return err
	}
	configName := digest(config) + ".json"
	manifest, err := json.Marshal([]map[string]any{{
		"Config": configName, "RepoTags": []string{reference}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	out, err := archive([]file{{"manifest.json", 0o644, manifest}, {configName, 0o644, config}, {"layer.tar", 0o644, layer}})
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

type file struct {
	name string
	mode int64
	data []byte
}

// archive has no times of its own, so that the same program makes the same
// image.
func archive(files []file) ([]byte, error) {
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0)}
		if err := tw.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := tw.Write(f.data); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), tw.Close()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
