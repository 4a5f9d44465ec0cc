package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// The keys of the two ConfigMaps, and so the names of the documents.
const (
	keyInject = "config"
	keyValues = "values"
	keyMesh   = "mesh"
	// keyGeneration is in both: see generation.go.
	keyGeneration = "generation"
)

// documents are the texts of a set of configuration documents, by key: the
// keys of a ConfigMap.
type documents map[string]document

// document is one text, with the name by which messages call it.
type document struct {
	name string
	data []byte
}

// source is the document as the engine takes it.
func (d document) source() config.Source { return config.Source{Name: d.name, Data: d.data} }

// sources are the three documents as the engine takes them.
func (d documents) sources() config.Sources {
	return config.Sources{Inject: d[keyInject].source(), Values: d[keyValues].source(), Mesh: d[keyMesh].source()}
}

// record are the three documents as they are recorded.
func (d documents) record() lastgood.Documents {
	return lastgood.Documents{Config: d[keyInject].data, Values: d[keyValues].data, Mesh: d[keyMesh].data}
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

// maxGeneration is the length of the longest generation, in bytes: twice a SHA-256
// in hexadecimal. Whatever is longer is something else with the same name.
const maxGeneration = 128

// generation is what the documents were stamped with; empty when they were not.
func (d documents) generation() string {
	text := strings.TrimSpace(string(d[keyGeneration].data))
	if len(text) > maxGeneration {
		return ""
	}
	return text
}
