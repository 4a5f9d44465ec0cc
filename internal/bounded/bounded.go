// Package bounded reads files that somebody else writes, up to a size.
package bounded

import (
	"fmt"
	"io"
	"os"
)

// MaxConfigFile is a bound for files of configuration, in bytes: a ConfigMap holds
// 1 MiB in all, and a file may come from elsewhere.
const MaxConfigFile = 4 << 20

// ReadFile reads a file of at most limit bytes. The error names the file, and is
// fs.ErrNotExist when there is none.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}
