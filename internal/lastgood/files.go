package lastgood

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/bounded"
)

// Files are the names of the recorded documents, as keys of the ConfigMap and as files
// where it is mounted: injection configuration, values, mesh configuration.
func Files() [3]string { return [3]string{keyConfig, keyValues, keyMesh} }

// ReadDir reads the record of a ConfigMap that is mounted at dir. The error is
// [ErrEmpty] when there is none.
//
// All files are read behind one target of the link by which a kubelet replaces them.
// One that is replaced meanwhile is an error, and the change has it read again.
func ReadDir(dir string) (*Record, error) {
	at := dir
	if target, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); err == nil {
		at = target
	}
	cm := &corev1.ConfigMap{Data: map[string]string{}, BinaryData: map[string][]byte{}}
	for _, key := range []string{keyConfig, keyValues, keyMesh, keyDigest, keyHash, keySince, keyVersion, keyRefusedDigest, keyRefusedReason, keyRefusedSince} {
		data, err := bounded.ReadFile(filepath.Join(at, key), bounded.MaxConfigFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("directory %s: %w", dir, err)
		}
		switch key {
		case keyConfig, keyValues, keyMesh:
			cm.BinaryData[key] = data
		default:
			cm.Data[key] = string(data)
		}
	}
	r, err := Decode(cm)
	if err != nil && !errors.Is(err, ErrEmpty) {
		err = fmt.Errorf("directory %s: %w", dir, err)
	}
	return r, err
}
