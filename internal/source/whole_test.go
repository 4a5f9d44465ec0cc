package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// set is a whole configuration: each part of it tells its number. An injected pod
// shows all of them.
func set(n int) map[string]string {
	return map[string]string{
		"config": fmt.Sprintf(`policy: enabled
injectedAnnotations: {example.com/annotations: "%[1]d"}
templates:
  sidecar: |
    metadata:
      annotations: {example.com/template: "%[1]d", example.com/values: "{{ .Values.number }}", example.com/mesh: "{{ .MeshConfig.TrustDomain }}"}
    spec:
      containers:
      - {name: sidecar, image: sidecar}
`, n),
		"values": fmt.Sprintf(`{"number": "%d"}`, n),
		"mesh":   fmt.Sprintf("trustDomain: %q\n", strconv.Itoa(n)),
	}
}

// part names the parts of a configuration that an injected pod shows.
var shown = []string{"example.com/annotations", "example.com/template", "example.com/values", "example.com/mesh"}

// numbers returns the sets that the parts of an answer come from; those of an
// answer that is whole are one.
func numbers(s *inject.Snapshot) ([]string, error) {
	res := s.Inject(context.Background(), inject.Request{Object: []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"b"}]}}`)})
	if res.Pod == nil {
		return nil, fmt.Errorf("not injected: %s: %s", res.Decision.Code, res.Decision.Message)
	}
	var out []string
	for _, key := range shown {
		out = append(out, res.Pod.Annotations[key])
	}
	return out, nil
}

func whole(numbers []string) bool {
	for _, n := range numbers {
		if n == "" || n != numbers[0] {
			return false
		}
	}
	return true
}

// volume is a directory in which sets are published behind one link, as a kubelet
// does it.
type volume struct{ dir string }

func newVolume(t testing.TB) *volume {
	t.Helper()
	v := &volume{dir: t.TempDir()}
	v.publish(t, 0)
	for key := range set(0) {
		must(t, os.Symlink(filepath.Join("..data", key), filepath.Join(v.dir, key)))
	}
	return v
}

func (v *volume) files() Files {
	return Files{InjectConfig: filepath.Join(v.dir, "config"), InjectValues: filepath.Join(v.dir, "values"), MeshConfig: filepath.Join(v.dir, "mesh")}
}

// publish puts a new set in the place of the one before, and removes that.
func (v *volume) publish(t testing.TB, n int) {
	t.Helper()
	name := fmt.Sprint("..", n)
	must(t, os.Mkdir(filepath.Join(v.dir, name), 0o755))
	for key, text := range set(n) {
		must(t, os.WriteFile(filepath.Join(v.dir, name, key), []byte(text), 0o600))
	}
	link, old := filepath.Join(v.dir, "..data"), ""
	if target, err := os.Readlink(link); err == nil {
		old = filepath.Join(v.dir, target)
	}
	must(t, os.Symlink(name, link+"_tmp"))
	must(t, os.Rename(link+"_tmp", link))
	if old != "" {
		must(t, os.RemoveAll(old))
	}
}

// every calls do every 10 ms, with 1, 2, 3 and so on, until stop is called, which
// returns after the last call.
func every(do func(n int)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				do(n)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// rounds is how often a test with a busy writer reads.
func rounds(all int) int {
	if testing.Short() {
		return all / 10
	}
	return all
}

// What stands behind one link is read as one, while the link is replaced every
// 10 ms and the old target is removed: sets are never mixed, and none is missing.
func TestOneLinkIsReadWhole(t *testing.T) {
	v := newVolume(t)
	stop := every(func(n int) { v.publish(t, n) })
	defer stop()
	mixtures, seen := 0, map[string]bool{}
	reads := rounds(3000)
	for range reads {
		m := v.files().read()
		if err := errors.Join(m.injectErr, m.meshErr); err != nil {
			t.Fatal(err)
		}
		docs := documents{keyInject: m.inject[keyInject], keyValues: m.inject[keyValues], keyMesh: m.mesh[keyMesh]}
		var values struct{ Number string }
		must(t, json.Unmarshal(docs[keyValues].data, &values))
		number, err := strconv.Atoi(values.Number)
		must(t, err)
		for key, text := range set(number) {
			if string(docs[key].data) != text {
				mixtures++
			}
		}
		seen[values.Number] = true
	}
	if mixtures > 0 || len(seen) < 3 {
		t.Errorf("%d reads saw %d sets and %d mixtures", reads, len(seen), mixtures)
	}
}

// follow starts a Source that follows files alone, and the group that it runs in.
func follow(t testing.TB, files Files) *Source {
	t.Helper()
	group := rungroup.New(context.Background())
	t.Cleanup(func() {
		if err := group.Stop(); err != nil {
			t.Error(err)
		}
	})
	log := slog.New(slog.DiscardHandler)
	s, err := Start(t.Context(), group, Options{Files: files, Log: log, Trouble: trouble.New(log, clock.RealClock{})})
	must(t, err)
	return s
}

// underLoad answers pods with what is in force until stop, and returns how many
// answers there were and those that were not whole.
func underLoad(s *Source, callers int) (stop func() (answers int, bad []string)) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers, bad := 0, []string(nil)
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				got, err := numbers(s.Current())
				mu.Lock()
				if answers++; err != nil || !whole(got) {
					bad = append(bad, fmt.Sprint(got, err))
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, []string) { cancel(); wg.Wait(); return answers, bad }
}

// Each answer comes from one configuration, while it is loaded anew every 10 ms.
func TestAnswersWhileReloading(t *testing.T) {
	v := newVolume(t)
	s := follow(t, v.files())
	stopLoad := underLoad(s, 4)
	loaded := map[string]bool{}
	for n := 1; n <= rounds(200); n++ {
		v.publish(t, n)
		must(t, s.loop.Reload(t.Context()))
		got, err := numbers(s.Current())
		must(t, err)
		if got[0] != strconv.Itoa(n) {
			t.Fatalf("in force is %s after set %d was loaded", got, n)
		}
		loaded[s.State().Hash] = true
		time.Sleep(10 * time.Millisecond) // the pace of the reloads
	}
	answers, bad := stopLoad()
	if len(bad) > 0 || answers < len(loaded) || len(loaded) < rounds(200) {
		t.Errorf("%d reloads, %d answers, not whole %d: %.300q", len(loaded), answers, len(bad), bad)
	}
}

// The same with the watch alone: the link is replaced every 10 ms and nobody says
// when to load.
func TestAnswersWhileALinkIsSwapped(t *testing.T) {
	v := newVolume(t)
	s := follow(t, v.files())
	stopLoad := underLoad(s, 2)
	stop := every(func(n int) { v.publish(t, n) })
	hashes := map[string]bool{}
	want := 3
	for deadline := time.Now().Add(time.Minute); len(hashes) < want; {
		if time.Now().After(deadline) {
			t.Errorf("%d configurations came into force in a minute", len(hashes))
			break
		}
		hashes[s.State().Hash] = true
		time.Sleep(time.Millisecond) // between looks
	}
	stop()
	answers, bad := stopLoad()
	if len(bad) > 0 || answers == 0 {
		t.Errorf("%d answers, not whole %d: %.300q", answers, len(bad), bad)
	}
	if err := s.State().Err; err != nil {
		t.Errorf("refused: %v", err)
	}
}

// Plain files that are renamed one after the other every 10 ms, without a pause, are
// read before or after, not in between.
func TestRenamedFilesAreReadAtOneMoment(t *testing.T) {
	dir := t.TempDir()
	files := Files{InjectConfig: filepath.Join(dir, "config"), InjectValues: filepath.Join(dir, "values"), MeshConfig: filepath.Join(dir, "mesh")}
	replace := func(n int) (took time.Duration) {
		for key, text := range set(n) {
			must(t, os.WriteFile(filepath.Join(dir, key+".new"), []byte(text), 0o600))
		}
		start := time.Now()
		for key := range set(n) {
			must(t, os.Rename(filepath.Join(dir, key+".new"), filepath.Join(dir, key)))
		}
		return time.Since(start)
	}
	replace(0)
	var long sync.Map // bursts in which the machine did something else
	stop := every(func(n int) {
		if replace(n) > pause/2 {
			long.Store(n, true)
		}
	})
	mixtures, seen := map[int]int{}, map[int]bool{}
	for range rounds(1000) {
		m := files.read()
		must(t, errors.Join(m.injectErr, m.meshErr))
		parts := []int{numberOf(t, "config", m.inject[keyInject]), numberOf(t, "values", m.inject[keyValues]), numberOf(t, "mesh", m.mesh[keyMesh])}
		if newest := slices.Max(parts); newest != slices.Min(parts) {
			mixtures[newest]++
		}
		seen[parts[0]] = true
	}
	stop()
	for n, reads := range mixtures {
		if _, ok := long.Load(n); !ok {
			t.Errorf("%d reads saw a part of burst %d, which had no pause", reads, n)
		}
	}
	if len(seen) < 3 {
		t.Errorf("saw %d sets", len(seen))
	}
}

// numberOf is the number of the set that a document comes from.
func numberOf(t *testing.T, key string, d document) int {
	t.Helper()
	n, err := strconv.Atoi(regexp.MustCompile(`[0-9]+`).FindString(string(d.data)))
	must(t, err)
	if string(d.data) != set(n)[key] {
		t.Fatalf("not whole: %s", d.data)
	}
	return n
}

// A pipe in the place of a file neither stops reloads nor the exit.
func TestPipeAsConfigurationFile(t *testing.T) {
	dir := t.TempDir()
	files := Files{InjectConfig: filepath.Join(dir, "config"), InjectValues: filepath.Join(dir, "values"), MeshConfig: filepath.Join(dir, "mesh")}
	for key, text := range set(1) {
		must(t, os.WriteFile(filepath.Join(dir, key), []byte(text), 0o600))
	}
	s := follow(t, files) // whose cleanup waits for the end
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	must(t, os.Rename(filepath.Join(dir, "pipe"), files.MeshConfig))
	if err := s.loop.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "is not a regular file") || !strings.Contains(err.Error(), files.MeshConfig) {
		t.Errorf("reload says %v", err)
	}
	if got, err := numbers(s.Current()); err != nil || got[0] != "1" || !whole(got) {
		t.Errorf("in force is %s, %v", got, err)
	}
	must(t, os.WriteFile(files.MeshConfig+".new", []byte(set(1)["mesh"]), 0o600))
	must(t, os.Rename(files.MeshConfig+".new", files.MeshConfig))
	must(t, s.loop.Reload(t.Context()))
	must(t, os.Remove(files.InjectValues))
	must(t, syscall.Mkfifo(files.InjectValues, 0o600))
	// What is left to the watch must not keep the group from ending either.
}

func TestResolve(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a", "b", "file"), nil, 0o600))
	for link, target := range map[string]string{
		"relative": "a/b", "absolute": filepath.Join(dir, "a"), "a/up": "../relative", "loop": "loop", "lost": "nowhere",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	v := newView()
	for path, want := range map[string]string{
		"a/b/file": "a/b/file", "relative/file": "a/b/file", "absolute/b/file": "a/b/file", "absolute/up/file": "a/b/file", "relative/../b/file": "a/b/file", "./a//b/file": "a/b/file",
	} {
		if got, err := v.resolve(dir + "/" + path); err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: %s, %v", path, got, err)
		}
	}
	for path, want := range map[string]error{"loop/x": syscall.ELOOP, "lost": os.ErrNotExist, "a/none": os.ErrNotExist, "a/b/file/x": syscall.ENOTDIR} {
		if got, err := v.resolve(filepath.Join(dir, path)); !errors.Is(err, want) {
			t.Errorf("%s: %s, %v, want %v", path, got, err, want)
		}
	}
	t.Chdir(dir)
	if got, err := v.resolve("relative/../b/file"); err != nil || got != filepath.Join(dir, "a/b/file") {
		t.Errorf("from the working directory: %s, %v", got, err)
	}
	if v.moved() {
		t.Error("links have moved")
	}
	must(t, os.Remove(filepath.Join(dir, "relative")))
	if !v.moved() {
		t.Error("a link that is gone has not moved")
	}
}
