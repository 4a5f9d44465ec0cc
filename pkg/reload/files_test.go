package reload

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// never is a poll interval that plays no part, so that only notifications can
// have told of a change.
const never = time.Hour

func watch(t *testing.T, poll time.Duration, files ...string) <-chan struct{} {
	t.Helper()
	changed := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- WatchFiles(ctx, files, poll, slog.New(slog.DiscardHandler), func() { changed <- struct{}{} })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("WatchFiles: %v", err)
		}
	})
	expect(t, changed, "the call after the watches are set")
	return changed
}

func expect(t *testing.T, changed <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatalf("not told of %s", what)
	}
}

func drain(changed <-chan struct{}) {
	for {
		select {
		case <-changed:
		default:
			return
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchFilesPlain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config")
	write(t, path, "a")
	changed := watch(t, never, path)

	write(t, path, "b")
	expect(t, changed, "a write")
	drain(changed)

	write(t, path+".new", "c")
	must(t, os.Rename(path+".new", path))
	expect(t, changed, "a rename over the file")
	drain(changed)

	must(t, os.Remove(path))
	expect(t, changed, "a removal")
	drain(changed)

	write(t, path, "d")
	expect(t, changed, "a file that came back")
}

// TestWatchFilesVolume changes files as kubelet does: files are links into
// ..data, which is a link to a directory, and is replaced by a rename.
func TestWatchFilesVolume(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, text string) {
		must(t, os.Mkdir(filepath.Join(dir, version), 0o755))
		write(t, filepath.Join(dir, version, "config"), text)
		must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	publish("..1", "a")
	path := filepath.Join(dir, "config")
	must(t, os.Symlink(filepath.Join("..data", "config"), path))
	changed := watch(t, never, path)

	for _, v := range []string{"..2", "..3", "..4"} {
		drain(changed)
		publish(v, v)
		expect(t, changed, "version "+v)
		must(t, os.RemoveAll(filepath.Join(dir, "..1")))
	}
}

func TestWatchFilesBehindLink(t *testing.T) {
	elsewhere, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(elsewhere, "real"), "a")
	path := filepath.Join(dir, "config")
	must(t, os.Symlink(filepath.Join(elsewhere, "real"), path))
	changed := watch(t, never, path)
	drain(changed)
	write(t, filepath.Join(elsewhere, "real"), "b")
	expect(t, changed, "a write behind the link")
}

func TestWatchFilesPolls(t *testing.T) {
	// A directory that is not there cannot be watched.
	path := filepath.Join(t.TempDir(), "later", "config")
	changed := watch(t, 10*time.Millisecond, path)
	for range 3 {
		expect(t, changed, "a poll")
	}
	must(t, os.Mkdir(filepath.Dir(path), 0o755))
	expect(t, changed, "a poll after the directory came")
}

func TestWatchFilesDirectoryReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mount")
	must(t, os.Mkdir(dir, 0o755))
	path := filepath.Join(dir, "config")
	write(t, path, "a")
	loaded := make(chan string, 100)
	loop := New(Options[string]{Name: "file", Debounce: time.Millisecond, Load: func(context.Context, string) (string, string, error) {
		b, err := os.ReadFile(path)
		return string(b), string(b), err
	}})
	loop.OnChange(func(v Version[string]) { loaded <- v.Value })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go loop.Run(ctx)
	go WatchFiles(ctx, []string{path}, 20*time.Millisecond, slog.New(slog.DiscardHandler), loop.Poke)
	want := func(text string) {
		t.Helper()
		for {
			select {
			case got := <-loaded:
				if got == text {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%q never came into force", text)
			}
		}
	}
	want("a")
	must(t, os.RemoveAll(dir))
	must(t, os.Mkdir(dir, 0o755))
	write(t, path, "b")
	want("b")
	write(t, path, "c")
	want("c")
}
