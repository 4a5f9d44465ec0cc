package sandbox

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// kept folders are held open while other file systems are mounted over them,
// and then shown again at their old paths.
type kept []held

type held struct {
	path string
	fd   int
}

func open(paths []string) (kept, error) {
	var k kept
	for _, p := range paths {
		if !strings.HasPrefix(p, "/var/") && !strings.HasPrefix(p, "/run/") {
			continue
		}
		fd, err := unix.Open(p, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			k.close()
			return nil, fmt.Errorf("cannot open %s: %w", p, err)
		}
		k = append(k, held{p, fd})
	}
	return k, nil
}

func (k kept) show() error {
	for _, h := range k {
		if err := os.MkdirAll(h.path, 0o755); err != nil {
			return err
		}
		if err := mount(fmt.Sprintf("/proc/self/fd/%d", h.fd), h.path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func (k kept) close() {
	for _, h := range k {
		unix.Close(h.fd)
	}
}
