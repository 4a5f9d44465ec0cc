package workload_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/workload"
)

type skipper struct{}

func (skipper) Inject(context.Context, inject.Request) inject.Result {
	return inject.Result{Decision: decide.Decision{Outcome: decide.Skip}}
}

// Whatever a stream looks like: what is skipped comes out byte for byte, and what
// is injected can be read again, with as many workloads in it.
func FuzzInject(f *testing.F) {
	files, err := filepath.Glob("testdata/*.in.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("--- {apiVersion: v1, kind: Pod, spec: {? [a] : b}}\n...\n"))
	f.Add([]byte("apiVersion: v1\nkind: Pod\nspec: &a\n  containers: []\n  x: !!binary aGk=\n  on: 0x10\n  <<: {y: 1:30}\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var same, out bytes.Buffer
		before, err := workload.Inject(t.Context(), skipper{}, bytes.NewReader(stream), &same, workload.Options{})
		if err != nil {
			return
		}
		if !bytes.Equal(same.Bytes(), stream) {
			t.Fatalf("skipped, and changed: %q", same.Bytes())
		}
		if _, err := workload.Inject(t.Context(), &engine{}, bytes.NewReader(stream), &out, workload.Options{}); err != nil {
			return
		}
		text := out.String()
		after, err := workload.Inject(t.Context(), skipper{}, &out, &same, workload.Options{})
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, text)
		}
		if len(after) != len(before) {
			t.Fatalf("%d workloads of %d\n%s", len(after), len(before), text)
		}
	})
}
