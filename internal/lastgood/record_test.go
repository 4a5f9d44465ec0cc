package lastgood

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// recordOf is a record whose documents tell their name.
func recordOf(name string) *Record {
	return &Record{
		Documents: Documents{Config: []byte("policy: enabled # " + name), Values: []byte("{}"), Mesh: nil},
		Hash:      "hash of " + name, Since: time.Unix(1e9, 0).UTC(), Version: "v1.2.3",
	}
}

func encoded(t testing.TB, r *Record) *corev1.ConfigMap {
	t.Helper()
	cm := &corev1.ConfigMap{}
	must(t, r.encode(cm))
	return cm
}

func TestRecordComesBackAsItWas(t *testing.T) {
	plain, refused := recordOf("a"), recordOf("b")
	refused.Refused = &Refusal{Digest: "d", Reason: "ns/cm:config:1: policy\nns/cm:values:2: x", Since: time.Unix(2e9, 0).UTC()}
	for name, want := range map[string]*Record{"in force": plain, "refused": refused} {
		cm := encoded(t, want)
		got, err := Decode(cm)
		must(t, err)
		got.Documents.Mesh = nil // an empty text is a missing one
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if again := encoded(t, want); !reflect.DeepEqual(cm, again) {
			t.Errorf("%s: the same record gives other bytes", name)
		}
	}
}

func TestDigest(t *testing.T) {
	a := Documents{Config: []byte("a"), Values: []byte("b")}
	b := Documents{Config: []byte("ab")}
	if a.Digest() == b.Digest() {
		t.Error("documents that are divided otherwise have one digest")
	}
	if (Documents{Mesh: []byte{}}).Digest() != (Documents{}).Digest() {
		t.Error("an empty document is not a missing one")
	}
}

// bomb decompresses to n bytes.
func bomb(n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for ; n > 0; n -= len(zeros) {
		_, _ = w.Write(zeros[:min(n, len(zeros))])
	}
	_ = w.Close()
	return b.Bytes()
}

func TestWhatAStrangerWrote(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*corev1.ConfigMap)
		want   string // empty: it can be read
	}{
		"no data at all":      {func(cm *corev1.ConfigMap) { cm.Data, cm.BinaryData = nil, nil }, ErrEmpty.Error()},
		"a note of their own": {func(cm *corev1.ConfigMap) { cm.Data["note"] = "hello" }, ""},
		"a note alone":        {func(cm *corev1.ConfigMap) { cm.Data, cm.BinaryData = map[string]string{"note": "x"}, nil }, ErrEmpty.Error()},
		"another document":    {func(cm *corev1.ConfigMap) { cm.BinaryData[keyConfig] = compress([]byte("policy: disabled")) }, "key digest is not that of the documents"},
		"another digest":      {func(cm *corev1.ConfigMap) { cm.Data[keyDigest] = "0" }, "key digest is not that of the documents"},
		"no digest":           {func(cm *corev1.ConfigMap) { delete(cm.Data, keyDigest) }, "key digest is not that of the documents"},
		"a document is gone":  {func(cm *corev1.ConfigMap) { delete(cm.BinaryData, keyValues) }, "key values.gz: is not compressed by gzip"},
		"not compressed":      {func(cm *corev1.ConfigMap) { cm.BinaryData[keyMesh] = []byte("mesh: {}") }, "key mesh.gz: is not compressed by gzip"},
		"cut":                 {func(cm *corev1.ConfigMap) { cm.BinaryData[keyConfig] = cm.BinaryData[keyConfig][:20] }, "key config.gz: cannot be decompressed"},
		"what becomes large":  {func(cm *corev1.ConfigMap) { cm.BinaryData[keyConfig] = bomb(256 << 20) }, "more than the 2097152 bytes that a configuration may have"},
		"too much together": {func(cm *corev1.ConfigMap) {
			cm.BinaryData[keyConfig], cm.BinaryData[keyMesh] = bomb(1<<20), bomb(1<<20)
		}, "key mesh.gz: decompresses to more than"},
		"compressed and large":  {func(cm *corev1.ConfigMap) { cm.BinaryData[keyConfig] = make([]byte, maxCompressed+1) }, "more than the 1024000 that were ever written"},
		"no time":               {func(cm *corev1.ConfigMap) { cm.Data[keySince] = "yesterday" }, "key since: is no time of the form"},
		"an older version's":    {func(cm *corev1.ConfigMap) { delete(cm.Data, keyVersion); delete(cm.Data, keyHash) }, ""},
		"a newer version's":     {func(cm *corev1.ConfigMap) { cm.Data["signature"] = "x"; cm.BinaryData["more.gz"] = []byte("x") }, ""},
		"a refusal without end": {func(cm *corev1.ConfigMap) { cm.Data[keyRefusedReason] = strings.Repeat("x\x1b[2J\n", 1e5) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cm := encoded(t, recordOf("a"))
			tc.change(cm)
			r, err := Decode(cm)
			switch {
			case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			case r != nil && r.Refused != nil && (len(r.Refused.Reason) > maxReason+20 || strings.Contains(r.Refused.Reason, "\x1b")):
				t.Errorf("the reason is %d bytes long, %q...", len(r.Refused.Reason), r.Refused.Reason[:10])
			}
		})
	}
}

// What cannot be stored is not written: random bytes do not get smaller.
func TestTooLargeToBeRecorded(t *testing.T) {
	r := recordOf("a")
	r.Documents.Config = make([]byte, maxCompressed)
	_, _ = rand.Read(r.Documents.Config)
	cm := &corev1.ConfigMap{}
	if err := r.encode(cm); err == nil || !strings.Contains(err.Error(), "more than the 1024000 that can be recorded") || cm.BinaryData != nil {
		t.Errorf("got %v", err)
	}
	r.Documents.Config = bytes.Repeat([]byte("name: value\n"), 1<<20/12)
	must(t, r.encode(cm))
}

func FuzzDecode(f *testing.F) {
	cm := encoded(f, recordOf("a"))
	f.Add(cm.BinaryData[keyConfig], cm.BinaryData[keyValues], cm.BinaryData[keyMesh], cm.Data[keyDigest], cm.Data[keySince], "reason")
	f.Fuzz(func(t *testing.T, config, values, mesh []byte, digest, since, reason string) {
		r, err := Decode(&corev1.ConfigMap{
			Data:       map[string]string{keyDigest: digest, keySince: since, keyRefusedReason: reason},
			BinaryData: map[string][]byte{keyConfig: config, keyValues: values, keyMesh: mesh},
		})
		if (r == nil) == (err == nil) {
			t.Fatalf("record %v, error %v", r, err)
		}
		if r != nil && len(r.Documents.Config)+len(r.Documents.Values)+len(r.Documents.Mesh) > maxDocuments {
			t.Fatal("out of bounds")
		}
	})
}

// mount lays a record out as a kubelet does.
func mount(t *testing.T, dir string, cm *corev1.ConfigMap) {
	t.Helper()
	version, err := os.MkdirTemp(dir, "..version")
	must(t, err)
	for key, text := range cm.Data {
		must(t, os.WriteFile(filepath.Join(version, key), []byte(text), 0o600))
	}
	for key, text := range cm.BinaryData {
		must(t, os.WriteFile(filepath.Join(version, key), text, 0o600))
	}
	must(t, os.Symlink(filepath.Base(version), filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}

func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{"nothing there": filepath.Join(dir, "none"), "an empty one": dir} {
		if _, err := ReadDir(path); !errors.Is(err, ErrEmpty) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"a", "b"} {
		mount(t, dir, encoded(t, recordOf(name)))
		r, err := ReadDir(dir)
		if err != nil || r.Hash != "hash of "+name {
			t.Errorf("record %s: %+v, %v", name, r, err)
		}
	}
	bad := encoded(t, recordOf("c"))
	bad.Data[keyDigest] = "x"
	mount(t, dir, bad)
	if _, err := ReadDir(dir); err == nil || !strings.Contains(err.Error(), "directory "+dir+": key digest") {
		t.Errorf("a wrong digest: %v", err)
	}
	mount(t, dir, &corev1.ConfigMap{})
	must(t, os.Mkdir(filepath.Join(dir, "..data", keyMesh), 0o700))
	if _, err := ReadDir(dir); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a directory: %v", err)
	}
}
