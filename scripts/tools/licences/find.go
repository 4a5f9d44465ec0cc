package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-licenses/v2/licenses"
)

// boring is where Go keeps object code of BoringSSL under its licence. It is linked
// in with GOEXPERIMENT=boringcrypto and cgo only; else these packages are empty.
const boring = "crypto/internal/boring"

// goLicence is the file of the Go distribution that the standard library and the
// runtime are under.
const goLicence = "LICENSE"

// licenceFile is how files with a licence, or with what a licence demands to be
// handed on, are called.
var licenceFile = regexp.MustCompile(`(?i)^((un)?licen[sc]e|copying|notice|patents)([-._].*)?$`)

// notOfCode are the ends of files that are named like a licence, but are of
// documentation, which is not linked, or are source code.
var notOfCode = map[string]bool{".docs": true, ".go": true}

// module is one module that is linked in, or Go itself.
type module struct {
	path, version string
	// programs are those that it is linked into, sorted.
	programs []string
	// licences are SPDX identifiers, sorted.
	licences []string
	files    []file
}

// file is a licence or a notice.
type file struct {
	name string // within the module
	text string
}

type modules []*module

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir string
	Standard        bool
	Module          *struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version, Dir string }
	}
}

// find lists the modules whose packages are linked into the programs, by path.
func find(programs, platforms []string) (modules, error) {
	classifier, err := licenses.NewClassifier()
	if err != nil {
		return nil, err
	}
	root, err := goRoot()
	if err != nil {
		return nil, err
	}
	found := map[string]*module{}
	for _, platform := range platforms {
		for _, program := range programs {
			packages, err := dependencies(program, platform)
			if err != nil {
				return nil, err
			}
			for _, p := range packages {
				if p.Module != nil && p.Module.Main || strings.HasPrefix(p.ImportPath, boring) {
					continue
				}
				m, top, err := moduleOf(p, root, found)
				if err != nil {
					return nil, err
				}
				if name := path.Base(program); !slices.Contains(m.programs, name) {
					m.programs = append(m.programs, name)
				}
				if err := m.read(classifier, p.Dir, top); err != nil {
					return nil, err
				}
			}
		}
	}
	var out modules
	for _, m := range found {
		slices.Sort(m.programs)
		slices.Sort(m.licences)
		slices.SortFunc(m.files, func(a, b file) int { return strings.Compare(a.name, b.name) })
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *module) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// moduleOf returns the module of a package and the directory that it is in.
func moduleOf(p listed, root string, found map[string]*module) (m *module, top string, err error) {
	var name, version string
	switch {
	case p.Standard:
		// Any release of Go of the same line gives the same list.
		name, top = "Go standard library and runtime", root
	case p.Module == nil:
		return nil, "", fmt.Errorf("package %s is of no module", p.ImportPath)
	case p.Module.Replace != nil:
		name, version, top = p.Module.Replace.Path, p.Module.Replace.Version, p.Module.Replace.Dir
	default:
		name, version, top = p.Module.Path, p.Module.Version, p.Module.Dir
	}
	m = found[name]
	if m == nil {
		m = &module{path: name, version: version}
		found[name] = m
	}
	return m, top, nil
}

// read adds the licences and notices in the directories from that of a package up
// to that of its module.
func (m *module) read(classifier licenses.Classifier, dir, top string) error {
	for {
		if err := m.readDirectory(classifier, dir, top); err != nil {
			return err
		}
		if dir == top {
			return nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return fmt.Errorf("module %s: package directory %s is not in %s", m.path, dir, top)
		}
		dir = parent
	}
}

func (m *module) readDirectory(classifier licenses.Classifier, dir, top string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) || notOfCode[path.Ext(e.Name())] {
			continue
		}
		whole := filepath.Join(dir, e.Name())
		name, err := filepath.Rel(top, whole)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if slices.ContainsFunc(m.files, func(f file) bool { return f.name == name }) {
			continue
		}
		text, err := os.ReadFile(whole)
		if err != nil {
			return err
		}
		m.files = append(m.files, file{name: name, text: string(text)})
		told, err := classifier.Identify(whole)
		if err != nil {
			return err
		}
		for _, l := range told {
			if !slices.Contains(m.licences, l.Name) {
				m.licences = append(m.licences, l.Name)
			}
		}
	}
	return nil
}

// check names every module without a licence, or with one that is not allowed.
func (all modules) check(allowed map[string][]string) error {
	var errs []error
	for _, m := range all {
		if len(m.licences) == 0 {
			errs = append(errs, fmt.Errorf("module %s %s: no licence found in it", m.path, m.version))
		}
		for _, l := range m.licences {
			only, ok := allowed[l]
			if !ok {
				errs = append(errs, fmt.Errorf("module %s %s: licence %s is not allowed", m.path, m.version, l))
				continue
			}
			for _, p := range m.programs {
				if len(only) > 0 && !slices.Contains(only, p) {
					errs = append(errs, fmt.Errorf("module %s %s: licence %s is not allowed in %s, only in %s", m.path, m.version, l, p, strings.Join(only, ", ")))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// dependencies lists the packages that a program is linked from on a platform.
func dependencies(program, platform string) ([]listed, error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, fmt.Errorf("platform %q, want such as linux/amd64", platform)
	}
	out, err := goCommand([]string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=0"}, "list", "-deps", "-json=ImportPath,Dir,Standard,Module", program)
	if err != nil {
		return nil, err
	}
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list of %s: %w", program, err)
		}
		// Packages without files, such as unsafe, hold nothing under a licence.
		if p.Dir != "" {
			packages = append(packages, p)
		}
	}
}

// goRoot is where Go is, whose licence lies beside its sources or, in some
// systems' packages, does not.
func goRoot() (string, error) {
	out, err := goCommand(nil, "env", "GOROOT")
	if err != nil {
		return "", err
	}
	root := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(root, goLicence)); err != nil {
		return "", fmt.Errorf("licence of Go: %w", err)
	}
	return root, nil
}

func goCommand(env []string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
