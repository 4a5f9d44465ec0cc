package parts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Tools are programs that Go cannot build without a C compiler and libraries.
type Tools struct {
	Path      []string // folders to look in before the usual ones
	Libraries string   // where their shared libraries are, if not in the system
}

// needed maps programs to the packages, the same on Debian and Ubuntu, that
// bring them.
func needed() map[string]string { return map[string]string{"runc": "runc", "nft": "nftables"} }

// Tools finds runc and nft: the machine's own, else from packages that are
// unpacked into the cache and not installed.
func (b Builder) Tools(ctx context.Context) (Tools, error) {
	var programs, packages []string
	for program, pkg := range needed() {
		if !b.found(program) {
			programs, packages = append(programs, program), append(packages, pkg)
		}
	}
	if len(packages) == 0 {
		return Tools{}, nil
	}
	slices.Sort(programs)
	slices.Sort(packages)
	what := strings.Join(programs, " and ")
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb", "dpkg-query"} {
		if !b.found(tool) {
			return Tools{}, fmt.Errorf("%s not found in PATH, and no %s to download it: install %s", what, tool, strings.Join(packages, ", "))
		}
	}
	begin := time.Now()
	waiting := func() { b.Progress("waiting for another download of "+what, 0) }
	dir, err := b.Cache.entry(ctx, "tools-"+b.systemKey(packages), waiting, func(tmp string) error {
		b.Progress("downloading "+what, 0)
		if err := b.unpack(ctx, packages, tmp); err != nil {
			return fmt.Errorf("cannot download %s: %w: install %s", what, err, strings.Join(packages, ", "))
		}
		for _, p := range programs {
			if err := b.try(ctx, toolsIn(tmp), p); err != nil {
				return fmt.Errorf("downloaded %s does not run: %w: install %s", p, err, strings.Join(packages, ", "))
			}
		}
		b.Done(what, time.Since(begin))
		return nil
	})
	if err != nil {
		return Tools{}, err
	}
	return toolsIn(dir), nil
}

func toolsIn(dir string) Tools {
	t := Tools{Path: []string{filepath.Join(dir, "usr/sbin"), filepath.Join(dir, "usr/bin")}}
	libraries, _ := filepath.Glob(filepath.Join(dir, "usr/lib/*-linux-gnu*"))
	older, _ := filepath.Glob(filepath.Join(dir, "lib/*-linux-gnu*"))
	t.Libraries = strings.Join(append(libraries, older...), ":")
	return t
}

// Find returns the path of program.
func (t Tools) Find(program string, env []string) (string, error) {
	for _, dir := range append(t.Path[:len(t.Path):len(t.Path)], searchPath(env)...) {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s not found in PATH", program)
}

// searchPath adds to PATH the folders of system programs, which the PATH of a
// user who became root may lack.
func searchPath(env []string) []string {
	path := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	return append(filepath.SplitList(path), "/usr/local/sbin", "/usr/sbin", "/sbin")
}

func (b Builder) found(program string) bool {
	_, err := Tools{}.Find(program, b.Env)
	return err == nil
}

// systemKey tells apart what packages from different releases would bring.
func (b Builder) systemKey(packages []string) string {
	release, _ := os.ReadFile("/etc/os-release")
	sum := sha256.Sum256(fmt.Appendf(nil, "%q\n%s", packages, release))
	return hex.EncodeToString(sum[:])[:16]
}

// unpack downloads packages, and those they need that are not installed, and
// unpacks them into dir.
func (b Builder) unpack(ctx context.Context, packages []string, dir string) error {
	lists, err := os.MkdirTemp("", "embedded-cluster-apt-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(lists)
	apt := aptTool{b: b, dir: dir}
	err = apt.fetch(ctx, packages)
	if err != nil && ctx.Err() == nil {
		// The lists may be missing, or too old for what is still on the
		// mirrors. Fresh ones of our own leave the machine's as they are.
		apt.options = []string{"-o", "Dir::State::lists=" + lists, "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="}
		if err := os.Mkdir(filepath.Join(lists, "partial"), 0o755); err != nil {
			return err
		}
		// One of several sources that does not answer need not matter.
		_, updateErr := apt.run(ctx, "apt-get", "update", "-q")
		if err = apt.fetch(ctx, packages); err != nil {
			err = errors.Join(updateErr, err)
		}
	}
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := apt.run(ctx, "dpkg-deb", "-x", f, dir); err != nil {
			return err
		}
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

type aptTool struct {
	b       Builder
	dir     string
	options []string
}

func (a aptTool) fetch(ctx context.Context, packages []string) error {
	out, err := a.run(ctx, "apt-cache", append([]string{
		"depends", "--recurse", "--important",
		"--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances",
	}, packages...)...)
	if err != nil {
		return err
	}
	installed, err := a.run(ctx, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n")
	if err != nil {
		return err
	}
	missing := missingPackages(out, installed)
	_, err = a.run(ctx, "apt-get", append([]string{"download", "-q", "-o", "APT::Sandbox::User=root"}, missing...)...)
	return err
}

// missingPackages reads the answers of apt-cache depends, where a package
// stands at the beginning of its line and a virtual one in angle brackets, and
// of dpkg-query.
func missingPackages(depends, installed string) []string {
	have := map[string]bool{}
	for line := range strings.Lines(installed) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "installed "); ok {
			have[name] = true
		}
	}
	var missing []string
	for line := range strings.Lines(depends) {
		name := strings.TrimRight(line, "\n")
		if name == "" || strings.ContainsAny(name, " <|:") || have[name] || slices.Contains(missing, name) {
			continue
		}
		missing = append(missing, name)
	}
	return missing
}

func (a aptTool) run(ctx context.Context, program string, args ...string) (string, error) {
	if strings.HasPrefix(program, "apt") {
		args = append(a.options[:len(a.options):len(a.options)], args...)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = a.dir
	cmd.Env = append(a.b.Env[:len(a.b.Env):len(a.b.Env)], "LC_ALL=C")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %s", program, tail(string(exit.Stderr), 1))
	}
	return string(out), err
}

// try runs the program as the cluster will.
func (b Builder) try(ctx context.Context, t Tools, program string) error {
	path, err := t.Find(program, b.Env)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = append(b.Env[:len(b.Env):len(b.Env)], "LD_LIBRARY_PATH="+t.Libraries)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, tail(string(out), 1))
	}
	return nil
}
