package reload

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// DefaultPoll is how often files are read without a notification, for file systems
// that send none and for watches that were lost. It costs reading some small files.
const DefaultPoll = 10 * time.Second

// WatchFiles calls changed whenever one of the files may have changed, and also
// every poll (10 s if it is zero), until ctx is done; then it returns nil.
//
// It watches directories, not files: kubelet changes a ConfigMap or Secret
// volume by renaming a symbolic link inside it, and an editor replaces a file
// by renaming another over it; a watch on the file itself sees neither. When
// the system refuses watches, the files are only polled, which is logged once.
func WatchFiles(ctx context.Context, files []string, poll time.Duration, log *slog.Logger, changed func()) error {
	if poll <= 0 {
		poll = DefaultPoll
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()

	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("no file notifications, files are polled instead", "error", err, "every", poll)
		watcher = &fsnotify.Watcher{} // its nil channels never deliver
	} else {
		defer watcher.Close()
	}
	w := &dirWatch{watcher: watcher, files: files, usable: err == nil, log: log}
	w.renew()
	// A change between the caller's first load and the watch that was just made
	// would not be seen until the next poll.
	changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-watcher.Events:
			if !ok {
				return fmt.Errorf("file watch on %v ended unexpectedly", files)
			}
			if event.Op == fsnotify.Chmod {
				continue // nothing but the mode
			}
			if event.Has(fsnotify.Remove | fsnotify.Rename | fsnotify.Create) {
				w.renew()
			}
			changed()
		case err, ok := <-watcher.Errors:
			if !ok {
				return fmt.Errorf("file watch on %v ended unexpectedly", files)
			}
			// Events were lost, so anything may have changed.
			log.Warn("file watch", "error", err)
			w.renew()
			changed()
		case <-ticker.C:
			w.renew()
			changed()
		}
	}
}

// dirWatch keeps watches on the directories of some files.
type dirWatch struct {
	watcher *fsnotify.Watcher
	files   []string
	usable  bool
	log     *slog.Logger
	logged  bool // that a directory cannot be watched
}

// renew adds the missing watches and removes those that are not needed any more. A
// directory that was removed and made again needs a new watch.
func (w *dirWatch) renew() {
	if !w.usable {
		return
	}
	want := w.directories()
	have := w.watcher.WatchList() // without those that the system dropped
	for _, dir := range have {
		if !slices.Contains(want, dir) {
			_ = w.watcher.Remove(dir)
		}
	}
	for _, dir := range want {
		if slices.Contains(have, dir) {
			continue
		}
		if err := w.watcher.Add(dir); err != nil && !w.logged {
			w.logged = true
			w.log.Warn("directory not watched, its files are polled instead", "directory", dir, "error", err)
		}
	}
}

// directories returns the directories that the files are in, and those that
// their symbolic links lead to.
func (w *dirWatch) directories() []string {
	var dirs []string
	for _, f := range w.files {
		dirs = append(dirs, filepath.Dir(f))
		if real, err := filepath.EvalSymlinks(f); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
