package source

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func configMap(values map[string]string) *corev1.ConfigMap { return &corev1.ConfigMap{Data: values} }

// TestChoose walks through what may happen to a ConfigMap and its mount.
func TestChoose(t *testing.T) {
	file := func(text string) documents {
		return documents{keyInject: {"file", []byte(text)}, keyValues: {"file", nil}}
	}
	noFile := errors.New("no file")
	m, err := newConfigMapSource("ns/cm", keyInject, keyValues)
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		what    string
		do      func()
		files   documents
		err     error
		want    string // of key config
		wantErr string
	}{
		{"nothing heard yet", func() {}, file("1"), nil, "1", ""},
		{"nothing heard yet and no file", func() {}, nil, noFile, "", "no file"},
		{"away at start", func() { m.setConnected(false) }, file("1"), nil, "1", ""},
		{"connected before the content is there", func() { m.setConnected(true) }, file("1"), nil, "1", ""},
		{"content without its key", func() { _ = m.set(configMap(map[string]string{"values": "{}"})) }, file("1"), nil, "1", ""},
		{"the mount is older", func() { _ = m.set(configMap(map[string]string{"config": "2"})) }, file("1"), nil, "2", ""},
		{"the mount catches up", func() {}, file("2"), nil, "2", ""},
		{"a change that is no good stays out", func() { _ = m.set(configMap(map[string]string{"x": "y"})) }, file("2"), nil, "2", "configmap ns/cm has no key config"},
		{"the next good one", func() { _ = m.set(configMap(map[string]string{"config": "3", "values": "{}"})) }, file("2"), nil, "3", ""},
		{"deleted", func() { _ = m.set(nil) }, file("2"), nil, "3", "configmap ns/cm does not exist"},
		{"there again", func() { _ = m.set(configMap(map[string]string{"config": "4"})) }, file("2"), nil, "4", ""},
		{"away, the mount as it was", func() { m.setConnected(false) }, file("2"), nil, "4", ""},
		{"away, the mount catches up", func() {}, file("4"), nil, "4", ""},
		{"away, the mount goes on", func() {}, file("5"), nil, "5", ""},
		{"away, the mount is gone", func() {}, nil, noFile, "4", ""},
		{"back", func() { _ = m.set(configMap(map[string]string{"config": "6"})) }, file("5"), nil, "6", ""},
	}
	for _, s := range steps {
		s.do()
		docs, _, err := m.choose(s.files, s.err)
		if got := fmt.Sprint(err); err == nil && s.wantErr != "" || err != nil && got != s.wantErr {
			t.Errorf("%s: error %v, want %q", s.what, err, s.wantErr)
		}
		if got := string(docs[keyInject].data); got != s.want {
			t.Errorf("%s: chose %q, want %q", s.what, got, s.want)
		}
	}
	gone, err := newConfigMapSource("ns/cm", keyMesh)
	if err != nil {
		t.Fatal(err)
	}
	mount := documents{keyMesh: {"/etc/mesh", []byte("{}")}}
	if docs, _, err := gone.choose(mount, nil); err != nil || docs[keyMesh].name != "ns/cm:mesh" {
		t.Errorf("a mount before the first answer: %v, %v", docs, err)
	}
	_ = gone.set(nil)
	if docs, _, err := gone.choose(mount, nil); err != nil || docs[keyMesh].name != "/etc/mesh" {
		t.Errorf("a file that is no mount: %v, %v", docs, err)
	}
	if _, _, err := gone.choose(nil, noFile); err == nil || err.Error() != "configmap ns/cm does not exist" {
		t.Errorf("neither: %v", err)
	}
	none, err := newConfigMapSource("", keyMesh)
	if err != nil {
		t.Fatal(err)
	}
	if docs, mounted, err := none.choose(file("1"), nil); !mounted || err != nil || string(docs[keyInject].data) != "1" {
		t.Errorf("without a ConfigMap: %v, %v", docs, err)
	}
}

func TestAConfigMapHasANamespace(t *testing.T) {
	if m, err := newConfigMapSource("istio", keyMesh); err == nil {
		t.Errorf("got %+v, want an error", m)
	}
}
