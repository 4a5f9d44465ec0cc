package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/bounded"
)

// Files are the paths of the configuration's files.
//
// They are read as one: files behind one symbolic link, which is how a kubelet
// mounts a ConfigMap, come from one target of the link. Plain files that are renamed
// one by one are read as they stood next to each other for a moment, of pause at
// least; who replaces them in a burst is read before it or after it. A burst that
// pauses in its middle for longer is two changes: a link before the files, or a
// generation in each of two directories, makes it one.
type Files struct {
	InjectConfig string // injection configuration
	InjectValues string // chart values for templates; the file may be missing
	MeshConfig   string // mesh configuration
}

const (
	// readAttempts is how often the files are read when they change meanwhile. The
	// last one counts: it has every file whole, and the change that disturbed it has
	// the files read again.
	readAttempts = 20
	// pause is for how long plain files must not have changed: renaming one takes a
	// hundredth of that.
	pause = 2 * time.Millisecond
)

// mounts is what the files hold: the mounts of two ConfigMaps, or of what stands
// in for them.
type mounts struct {
	inject, mesh       documents
	injectErr, meshErr error
}

// read reads all files. It tries again when one is replaced meanwhile, or is gone
// with the directory that a link led to. A link that leads elsewhere by now is no
// reason: what was read is a whole set, and the change has the next one read.
func (f Files) read() mounts {
	var m mounts
	for range readAttempts {
		v := newView()
		files := f.resolve(v)
		before := stamps(files)
		m = readResolved(files)
		failed := m.injectErr != nil || m.meshErr != nil
		if !sameStamps(before, stamps(files)) || failed && v.moved() {
			continue
		}
		if !v.moved() {
			time.Sleep(pause)
			if !sameStamps(before, stamps(files)) && !v.moved() {
				continue
			}
		}
		break
	}
	return m
}

// file is one file of the configuration.
type file struct {
	key, what, flag, path string
	required              bool
	// resolved is where path leads without links; err is why it leads nowhere.
	resolved string
	err      error
}

// resolve returns the files of both ConfigMaps, resolved in one view.
func (f Files) resolve(v *view) []file {
	files := []file{
		{key: keyInject, what: "injection configuration", flag: "--injectConfig", path: f.InjectConfig, required: true},
		{key: keyValues, what: "chart values", flag: "--injectValues", path: f.InjectValues},
		{key: keyGeneration, path: beside(f.InjectConfig)},
		{key: keyMesh, what: "mesh configuration", flag: "--meshConfig", path: f.MeshConfig, required: true},
		{key: keyGeneration, path: beside(f.MeshConfig)},
	}
	for i := range files {
		if files[i].path == "" {
			files[i].err = fs.ErrNotExist
			continue
		}
		files[i].resolved, files[i].err = v.resolve(files[i].path)
	}
	return files
}

// watched are the files that tell of changes.
func (f Files) watched() []string {
	return []string{f.InjectConfig, f.InjectValues, f.MeshConfig, beside(f.InjectConfig), beside(f.MeshConfig)}
}

// beside is where the generation of a ConfigMap stands that is mounted whole.
func beside(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(path), keyGeneration)
}

// readResolved reads the files, of which the first three are of the ConfigMap for
// injection.
func readResolved(files []file) (m mounts) {
	m.inject, m.injectErr = readDocuments(files[:3])
	m.mesh, m.meshErr = readDocuments(files[3:])
	return m
}

// readDocuments reads files. The error names every file that cannot be read.
func readDocuments(files []file) (documents, error) {
	docs := documents{}
	var errs []error
	for _, f := range files {
		data, err := f.read()
		switch {
		case err == nil:
		case f.key == keyGeneration:
			continue // somebody's own, if anything
		case errors.Is(err, fs.ErrNotExist) && !f.required:
		case errors.Is(err, fs.ErrNotExist):
			errs = append(errs, fmt.Errorf("%s %s does not exist: mount it there, or name another file with %s", f.what, f.path, f.flag))
			continue
		default:
			errs = append(errs, fmt.Errorf("%s (%s): %w", f.what, f.flag, err))
			continue
		}
		docs[f.key] = document{name: f.path, data: data}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return docs, nil
}

func (f file) read() ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.key == keyGeneration {
		return bounded.ReadFile(f.resolved, maxGeneration+1) // and a line's end
	}
	return bounded.ReadFile(f.resolved, bounded.MaxConfigFile)
}

// stamps are what tells that files were replaced or written; nil for one that is
// not there.
func stamps(files []file) []fs.FileInfo {
	out := make([]fs.FileInfo, len(files))
	for i, f := range files {
		if f.err != nil {
			continue
		}
		if info, err := os.Lstat(f.resolved); err == nil {
			out[i] = info
		}
	}
	return out
}

func sameStamps(a, b []fs.FileInfo) bool {
	for i := range a {
		if (a[i] == nil) != (b[i] == nil) {
			return false
		}
		if a[i] != nil && (!os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime())) {
			return false
		}
	}
	return true
}
