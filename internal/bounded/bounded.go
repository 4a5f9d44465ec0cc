// Package bounded reads files that somebody else writes, up to a size, and without
// ever waiting for a writer.
package bounded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// MaxConfigFile is a bound for files of configuration, in bytes. A ConfigMap or a
// Secret holds 1 MiB in all, so whatever is larger did not come from one.
const MaxConfigFile = 1 << 20

// ErrNotRegular is the cause of errors about what is no regular file.
var ErrNotRegular = errors.New("is not a regular file")

// ReadFile reads a regular file of at most limit bytes. The error names the file,
// and is fs.ErrNotExist when there is none, and ErrNotRegular when the path leads to
// a directory, a pipe, a socket or a device: opening or reading one of these could
// wait for ever, and with it a server that wants to reload or to end.
func ReadFile(path string, limit int64) ([]byte, error) {
	// Without O_NONBLOCK, opening a pipe waits for its writer. For regular files
	// it has no meaning. What was opened is what is asked for its kind: the path
	// may lead elsewhere by now.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.EOPNOTSUPP) {
		return nil, notRegular(path) // a socket, or a device that is not there
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notRegular(path)
	}
	return Read(f, path, limit)
}

func notRegular(path string) error {
	return &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
}

// Read reads at most limit bytes from r, which errors call name. It waits as long as
// r does, which suits a command line, whose user may name a pipe.
func Read(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return data, nil
}
