package lastgood

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// The keys of the ConfigMap, and so the names of the files where it is mounted. The
// first three are binary.
const (
	keyConfig = "config.gz"
	keyValues = "values.gz"
	keyMesh   = "mesh.gz"

	keyDigest  = "digest"
	keyHash    = "hash"
	keySince   = "since"
	keyVersion = "version"

	keyRefusedDigest = "refusedDigest"
	keyRefusedReason = "refusedReason"
	keyRefusedSince  = "refusedSince"
)

const (
	// maxCompressed is how many bytes the compressed documents may have together. An
	// API server stores 1 MiB for all keys of a ConfigMap; the rest is for the others.
	maxCompressed = 1000 << 10
	// maxDocuments is how many bytes the documents may have together, which is what a
	// configuration may have. A compressed document is not read beyond it.
	maxDocuments = 2 << 20
	// maxReason is how many bytes of the reason of a refusal are kept: a screen of
	// lines that each name a place.
	maxReason = 4 << 10
	// maxWord bounds versions, hashes and digests, in bytes: longer ones are not ours.
	maxWord = 253
)

// ErrEmpty is the error of a ConfigMap that nothing was recorded in yet.
var ErrEmpty = errors.New("nothing was recorded yet")

// Documents are the three texts of a configuration.
type Documents struct {
	Config, Values, Mesh []byte
}

// Digest identifies the texts, byte for byte: a SHA-256 in hexadecimal. A missing text
// and an empty one are the same.
func (d Documents) Digest() string {
	h := sha256.New()
	for _, text := range [][]byte{d.Config, d.Values, d.Mesh} {
		fmt.Fprintf(h, "%d\n", len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Record is a configuration that was accepted, and what became of the one after it.
type Record struct {
	Documents Documents
	// Hash identifies what the documents say, see config.Config.Hash.
	Hash string
	// Since is when the configuration came into force, to the second.
	Since time.Time
	// Version is the injector's that accepted it.
	Version string
	// Refused is why the configuration of the cluster is another one now; nil while it
	// is this one.
	Refused *Refusal
}

// Refusal is a configuration that is not in force.
type Refusal struct {
	// Digest is that of its documents; empty when these cannot be read.
	Digest string
	// Reason names places and shows no values.
	Reason string
	// Since is when it was first refused, to the second.
	Since time.Time
}

// encode puts the record into a ConfigMap, in the place of all that it held. The same
// record gives the same bytes. The error is that it is too large.
func (r *Record) encode(cm *corev1.ConfigMap) error {
	binary := map[string][]byte{}
	sum := 0
	for key, text := range map[string][]byte{keyConfig: r.Documents.Config, keyValues: r.Documents.Values, keyMesh: r.Documents.Mesh} {
		binary[key] = compress(text)
		sum += len(binary[key])
	}
	if sum > maxCompressed {
		return fmt.Errorf("the configuration has %d bytes when it is compressed, more than the %d that can be recorded in a ConfigMap: make it smaller", sum, maxCompressed)
	}
	data := map[string]string{
		keyDigest: r.Documents.Digest(), keyHash: r.Hash, keySince: r.Since.UTC().Format(time.RFC3339), keyVersion: r.Version,
	}
	if refused := r.Refused; refused != nil {
		data[keyRefusedDigest], data[keyRefusedReason] = refused.Digest, cut.Lines(refused.Reason, maxReason)
		data[keyRefusedSince] = refused.Since.UTC().Format(time.RFC3339)
	}
	cm.Data, cm.BinaryData = data, binary
	return nil
}

// compress has no time in its output and a fixed level, so it depends on the text alone.
func compress(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text) // into memory
	_ = w.Close()
	return b.Bytes()
}

// Decode reads the record that a ConfigMap holds. The error is [ErrEmpty] when there is
// none, and else says what is wrong with it.
func Decode(cm *corev1.ConfigMap) (*Record, error) {
	if len(cm.BinaryData) == 0 && cm.Data[keyDigest] == "" {
		return nil, ErrEmpty
	}
	r := &Record{Hash: cut.Line(cm.Data[keyHash], maxWord), Version: cut.Line(cm.Data[keyVersion], maxWord)}
	left := maxDocuments
	for _, d := range []struct {
		key  string
		text *[]byte
	}{{keyConfig, &r.Documents.Config}, {keyValues, &r.Documents.Values}, {keyMesh, &r.Documents.Mesh}} {
		text, err := decompress(cm.BinaryData[d.key], left)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", d.key, err)
		}
		*d.text = text
		left -= len(text)
	}
	if digest := r.Documents.Digest(); digest != cm.Data[keyDigest] {
		return nil, fmt.Errorf("key %s is not that of the documents, which were changed by somebody else", keyDigest)
	}
	var err error
	if r.Since, err = time.Parse(time.RFC3339, cm.Data[keySince]); err != nil {
		return nil, fmt.Errorf("key %s: is no time of the form %s", keySince, time.RFC3339)
	}
	if reason := cm.Data[keyRefusedReason]; reason != "" {
		// A time that was damaged takes nothing from what was recorded.
		since, _ := time.Parse(time.RFC3339, cm.Data[keyRefusedSince])
		r.Refused = &Refusal{Digest: cut.Line(cm.Data[keyRefusedDigest], maxWord), Reason: cut.Lines(reason, maxReason), Since: since}
	}
	return r, nil
}

// decompress reads a document that has at most so many bytes.
func decompress(data []byte, most int) ([]byte, error) {
	if len(data) > maxCompressed {
		return nil, fmt.Errorf("has %d bytes, more than the %d that were ever written", len(data), maxCompressed)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("is not compressed by gzip: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be decompressed: %w", err)
	}
	if len(text) > most {
		return nil, fmt.Errorf("decompresses to more than the %d bytes that a configuration may have", maxDocuments)
	}
	return text, nil
}
