package bounded

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, err := ReadFile(path, 10); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: %v", err)
	}
	for text, limit := range map[string]int64{"": 0, "0123456789": 10, "012": 10} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadFile(path, limit); err != nil || string(got) != text {
			t.Errorf("%d bytes with limit %d: %q, %v", len(text), limit, got, err)
		}
	}
	if err := os.WriteFile(path, []byte("0123456789a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path, 10); err == nil || err.Error() != path+" is larger than 10 bytes" {
		t.Errorf("too large: %v", err)
	}
	if _, err := ReadFile(filepath.Dir(path), 10); err == nil {
		t.Error("a folder is read")
	}
}

// What is no file is refused at once, whoever holds its other end.
func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	pipe, socket, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"pipe": pipe, "link to a pipe": link, "socket": socket, "directory": dir, "device": "/dev/zero", "terminal": "/dev/tty",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(path); err != nil {
				t.Skip(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := ReadFile(path, 10)
				done <- err
			}()
			select {
			case err := <-done:
				if !errors.Is(err, ErrNotRegular) || !strings.Contains(err.Error(), path) {
					t.Errorf("got %v, want that %s is not a regular file", err, path)
				}
			case <-time.After(10 * time.Second):
				t.Error("still waiting")
			}
		})
	}
}

func TestReadTakesAnyReader(t *testing.T) {
	if got, err := Read(strings.NewReader("abc"), "input", 3); err != nil || string(got) != "abc" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Read(strings.NewReader("abcd"), "input", 3); err == nil || err.Error() != "input is larger than 3 bytes" {
		t.Errorf("too large: %v", err)
	}
}
