package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/bounded"
)

// The keys of the two ConfigMaps, and so the names of the documents.
const (
	keyInject = "config"
	keyValues = "values"
	keyMesh   = "mesh"
)

// documents are the texts of a set of configuration documents, by key: the
// keys of a ConfigMap.
type documents map[string]document

// document is one text, with the name by which messages call it.
type document struct {
	name string
	data []byte
}

func (d documents) digest(keys ...string) string {
	h := sha256.New()
	for _, k := range keys {
		// Absent and empty are the same: {} for values, an error for others.
		fmt.Fprintf(h, "%s %d\n", k, len(d[k].data))
		h.Write(d[k].data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Files are the paths of the configuration's files.
type Files struct {
	InjectConfig string // injection configuration
	InjectValues string // chart values for templates; the file may be missing
	MeshConfig   string // mesh configuration
}

func (f Files) readInject() (documents, error) {
	return readDocuments(
		file{keyInject, "injection configuration", "--injectConfig", f.InjectConfig, true},
		file{keyValues, "chart values", "--injectValues", f.InjectValues, false})
}

func (f Files) readMesh() (documents, error) {
	return readDocuments(file{keyMesh, "mesh configuration", "--meshConfig", f.MeshConfig, true})
}

// file is one file of the configuration.
type file struct {
	key, what, flag, path string
	required              bool
}

// readDocuments reads files. The error names every file that cannot be read.
func readDocuments(files ...file) (documents, error) {
	docs := documents{}
	var errs []error
	for _, f := range files {
		data, err := bounded.ReadFile(f.path, bounded.MaxConfigFile)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist) && !f.required:
		case errors.Is(err, fs.ErrNotExist):
			errs = append(errs, fmt.Errorf("%s %s does not exist: mount it there, or name another file with %s", f.what, f.path, f.flag))
			continue
		default:
			errs = append(errs, fmt.Errorf("%s (%s): %w", f.what, f.flag, err))
			continue
		}
		docs[f.key] = document{name: f.path, data: data}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return docs, nil
}
