package parts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

func TestKeyFollowsEverythingThatMatters(t *testing.T) {
	source := func(main string) fstest.MapFS {
		return fstest.MapFS{"main.go": {Data: []byte(main)}, "sub/go.sum": {Data: []byte("sum")}}
	}
	part := Part{Name: "p", Packages: []string{"."}, Files: []string{"p"}}
	tagged := part
	tagged.Tags = "tag"
	keys := map[string]string{}
	for _, test := range []struct {
		name          string
		part          Part
		source        fstest.MapFS
		version, arch string
	}{
		{"base", part, source("a"), "go1.26.8", "amd64"},
		{"other source", part, source("b"), "go1.26.8", "amd64"},
		{"other flags", tagged, source("a"), "go1.26.8", "amd64"},
		{"other compiler", part, source("a"), "go1.26.9", "amd64"},
		{"other machine", part, source("a"), "go1.26.8", "arm64"},
	} {
		key, err := test.part.key(test.source, test.version, test.arch)
		if err != nil {
			t.Fatal(err)
		}
		if same, ok := keys[key]; ok {
			t.Errorf("%s has the key of %s", test.name, same)
		}
		keys[key] = test.name
	}
	again, err := part.key(source("a"), "go1.26.8", "amd64")
	if err != nil || keys[again] != "base" {
		t.Errorf("the same again has key %s (%v), want that of base", again, err)
	}
}

func TestStamp(t *testing.T) {
	got := stamp("v1.36.3")
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=v1.36.3",
		"-X k8s.io/component-base/version.gitMajor=1",
		"-X k8s.io/client-go/pkg/version.gitMinor=36",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("stamp is %q, want %q in it", got, want)
		}
	}
}

// The versions named here are for messages; go.mod decides what is built.
func TestVersionsAgreeWithModules(t *testing.T) {
	for _, test := range []struct{ part, module, version string }{
		{"kubernetes", "k8s.io/kubernetes", Kubernetes},
		{"containerd", "github.com/containerd/containerd/v2", Containerd},
		{"cni", "github.com/containernetworking/plugins", CNI},
		{"coredns", "github.com/coredns/coredns", CoreDNS},
	} {
		mod, err := os.ReadFile(filepath.Join("../../parts", test.part, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if want := test.module + " " + test.version; !strings.Contains(string(mod), want) {
			t.Errorf("parts/%s/go.mod does not require %s", test.part, want)
		}
	}
}

func TestEntryIsMadeOnce(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	var fills atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			dir, err := c.entry(t.Context(), "e", func() {}, func(dir string) error {
				fills.Add(1)
				return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if fills.Load() != 1 {
		t.Errorf("filled %d times, want once", fills.Load())
	}
}

func TestFailedEntryLeavesNothing(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	// What a process that was killed left behind.
	if err := os.MkdirAll(filepath.Join(c.Dir, "e.partial", "old"), 0o755); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no")
	_, err := c.entry(t.Context(), "e", func() {}, func(dir string) error {
		if _, err := os.Stat(filepath.Join(dir, "old")); err == nil {
			t.Error("the folder to fill holds what an earlier run left")
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("error is %v, want %v", err, failure)
	}
	for _, name := range []string{"e", "e.partial"} {
		if _, err := os.Stat(filepath.Join(c.Dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

func TestLockWaitsUntilTheContextEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path, func() { t.Error("waited for a free lock") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	waited := false
	if _, err := Lock(ctx, path, func() { waited = true }); !errors.Is(err, context.DeadlineExceeded) || !waited {
		t.Errorf("error is %v and waited is %v, want the context's error after waiting", err, waited)
	}
	unlock()
	if unlock, err = Lock(t.Context(), path, func() {}); err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestMissingPackages(t *testing.T) {
	depends := `runc
  Depends: libc6
  Depends: libseccomp2
libc6
 |Depends: <virtual>
<virtual>
libseccomp2
nftables
  Depends: libnftables1
libnftables1
libseccomp2
`
	installed := "installed libc6\nconfig-files libseccomp2\n"
	got, want := missingPackages(depends, installed), []string{"runc", "libseccomp2", "nftables", "libnftables1"}
	if !slices.Equal(got, want) {
		t.Errorf("missing are %q, want %q", got, want)
	}
}

func TestFindTool(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"runc": 0o755, "notes": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	tools := Tools{Path: []string{dir}}
	if got, err := tools.Find("runc", nil); err != nil || got != filepath.Join(dir, "runc") {
		t.Errorf("runc is %q (%v), want the one in %s", got, err, dir)
	}
	if got, err := tools.Find("notes", nil); err == nil {
		t.Errorf("notes is %q, want none: it is no program", got)
	}
}

func TestCheckSpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	if err := CheckSpace(dir, 1, "to test"); err != nil {
		t.Error(err)
	}
	err := CheckSpace(dir, 1<<62, "to test")
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "to test") {
		t.Errorf("error is %v, want one that names %s and the purpose", err, dir)
	}
}
