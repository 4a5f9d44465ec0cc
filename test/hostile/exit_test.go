//go:build integration && linux

package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
)

// TestExitWithFIFO: what is no file holds up neither the reload, which a case
// shows, nor the end of the server.
func TestExitWithFIFO(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if g, err := newGroup(fmt.Sprintf("hostile-%d", os.Getpid())); err != nil {
		t.Skip(err)
	} else if err := g.remove(); err != nil {
		t.Fatal(err)
	}
	setups, err := engine.Setups(root, "")
	if err != nil {
		t.Fatal(err)
	}
	folder, sources := t.TempDir(), setups[0].Sources
	files, err := newMounts(folder, sources.Inject.Data, sources.Values.Data, sources.Mesh.Data)
	if err != nil {
		t.Fatal(err)
	}
	s, err := startInjector(t.Context(), filepath.Join(root, "bin", "sidecar-injector"), folder, setups[0], files.flags()...)
	if err != nil {
		t.Fatal(err)
	}
	a := &attack{ctx: t.Context(), server: s}
	before, err := a.loaded()
	if err != nil {
		t.Fatal(err)
	}
	if err := files.publish(injectMount, files.good(injectMount, "a"), func(folder string) error {
		path := filepath.Join(folder, "config")
		if err := os.Remove(path); err != nil {
			return err
		}
		return syscall.Mkfifo(path, 0o600)
	}); err != nil {
		t.Fatal(err)
	}
	if err := until(t.Context(), loadedWithin, "the FIFO to be refused", func() error {
		now, err := a.loaded()
		if err == nil && now == before {
			err = fmt.Errorf("nothing is said")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	begin := time.Now()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the end took %s", took)
	}
}
