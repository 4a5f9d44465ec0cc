package bounded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
