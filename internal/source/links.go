package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links may be followed on the way to one file: what
// the kernel follows. A link that leads to itself ends here.
const maxLinks = 40

// view resolves paths such that each symbolic link has one target for all of
// them: a set of files behind one link, as a ConfigMap's mount is behind ..data, is
// found whole, however often the link is replaced meanwhile.
type view struct {
	links map[string]string // path of a link, without links before its last part: its target
}

func newView() *view { return &view{links: map[string]string{}} }

// resolve returns the path without links. The error is fs.ErrNotExist when there is
// no such file.
func (v *view) resolve(path string) (string, error) {
	if !filepath.IsAbs(path) {
		// Not filepath.Abs, which takes a/.. for nothing, and a may be a link.
		dir, err := os.Getwd()
		if err != nil {
			return "", err
		}
		path = dir + string(filepath.Separator) + path
	}
	resolved, rest := string(filepath.Separator), parts(path)
	for followed := 0; len(rest) > 0; {
		next := filepath.Join(resolved, rest[0])
		rest = rest[1:]
		target, link, err := v.readlink(next)
		switch {
		case err != nil:
			return "", err
		case !link:
			resolved = next
			continue
		}
		if followed++; followed > maxLinks {
			return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		if filepath.IsAbs(target) {
			resolved = string(filepath.Separator)
		}
		rest = append(parts(target), rest...)
	}
	return resolved, nil
}

// readlink returns the target of a link; link is false for what is none.
func (v *view) readlink(path string) (target string, link bool, err error) {
	if target, ok := v.links[path]; ok {
		return target, true, nil
	}
	target, err = os.Readlink(path)
	switch {
	case err == nil:
		v.links[path] = target
		return target, true, nil
	case errors.Is(err, syscall.EINVAL): // there, and no link
		return "", false, nil
	}
	return "", false, err
}

// moved reports whether a link that was followed leads elsewhere now.
func (v *view) moved() bool {
	for path, target := range v.links {
		if now, err := os.Readlink(path); err != nil || now != target {
			return true
		}
	}
	return false
}

func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}
