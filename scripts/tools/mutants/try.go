package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A trial runs the tests of one package of a copy of the module, whose files it
// changes.
type trial struct {
	Root  string        // of the copy
	Dir   string        // the package's folder in it
	Limit time.Duration // for one run of the tests

	combined bool // the program with all changes of comparisons could be built
}

// firstLimit bounds the unchanged tests, whose own time is not known yet.
const firstLimit = 5 * time.Minute

// addressSpace bounds a test, in KiB: a loop that a change made endless may
// append until the machine has no memory left. A test of Go's maps little more
// than one GiB by itself.
const addressSpace = 8 << 20

// newTrial builds the combined program of the mutants, which it numbers, and runs
// the tests in it with no change in force: they must pass. The limit is ten times
// the time that they took and the allowance. Where the changes cannot be
// combined, each is built by itself.
func newTrial(ctx context.Context, root, dir string, mutants []mutant, allowance time.Duration) (*trial, error) {
	t := &trial{Root: root, Dir: dir, Limit: firstLimit}
	if err := t.combine(ctx, mutants); err != nil {
		return nil, err
	}
	if !t.combined {
		if out, err := t.build(ctx, t.program(true)); err != nil {
			return nil, fmt.Errorf("package %s: build its tests: %w\n%s", dir, err, out)
		}
	}
	begin := time.Now()
	if out, err := t.test(ctx, t.program(true), 0); err != nil {
		return nil, fmt.Errorf("package %s: its tests fail without any change: %w\n%s", dir, err, out)
	}
	t.Limit = 10*time.Since(begin) + allowance
	return t, nil
}

// combine builds the combined program and puts the files back.
func (t *trial) combine(ctx context.Context, mutants []mutant) (err error) {
	next, pkg := 1, ""
	for begin, end := 0, 0; begin < len(mutants); begin = end {
		for end = begin; end < len(mutants) && mutants[end].File == mutants[begin].File; {
			end++
		}
		name := filepath.Join(t.Root, filepath.FromSlash(mutants[begin].File))
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		combined, of, err := combine(source, mutants[begin:end], next)
		if err != nil {
			return err
		}
		pkg = of
		for _, m := range mutants[begin:end] {
			next = max(next, m.Number+1)
		}
		defer os.WriteFile(name, source, 0o644)
		if err := os.WriteFile(name, combined, 0o644); err != nil {
			return err
		}
	}
	if pkg == "" {
		return nil
	}
	name := filepath.Join(t.Root, filepath.FromSlash(t.Dir), "mutants_switches.go")
	defer os.Remove(name)
	if err := os.WriteFile(name, switchesFile(pkg), 0o644); err != nil {
		return err
	}
	_, err = t.build(ctx, t.program(true))
	if err != nil && !isExit(err) {
		return err
	}
	t.combined = err == nil
	return nil
}

func isExit(err error) bool {
	failed := (*exec.ExitError)(nil)
	return errors.As(err, &failed)
}

// try runs the tests with m's change in force.
func (t *trial) try(ctx context.Context, m mutant) (verdict, error) {
	program := t.program(true)
	if !t.combined || m.Number == 0 {
		program = t.program(false)
		if err := t.buildOne(ctx, m, program); ctx.Err() != nil {
			return 0, ctx.Err()
		} else if err != nil && isExit(err) {
			return notCompiled, nil
		} else if err != nil {
			return 0, err
		}
	}
	out, err := t.test(ctx, program, m.Number)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err == nil:
		return survived, nil
	case errors.Is(err, context.DeadlineExceeded) || bytes.Contains(out, []byte("panic: test timed out after")):
		return timedOut, nil
	case !isExit(err):
		return 0, err
	}
	return killed, nil
}

// buildOne builds a program with one change and puts the file back.
func (t *trial) buildOne(ctx context.Context, m mutant, program string) (err error) {
	name := filepath.Join(t.Root, filepath.FromSlash(m.File))
	source, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.WriteFile(name, source, 0o644)) }()
	if err := os.WriteFile(name, m.Source, 0o644); err != nil {
		return err
	}
	_, err = t.build(ctx, program)
	return err
}

func (t *trial) program(combined bool) string {
	if combined {
		return filepath.Join(t.Root, "mutants.test")
	}
	return filepath.Join(t.Root, "mutant.test")
}

// build makes a program of the package's tests. Without symbols it links in half
// the time.
func (t *trial) build(ctx context.Context, program string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", program, "./"+t.Dir)
	cmd.Dir = t.Root
	return cmd.CombinedOutput()
}

// test runs a program of tests as `go test -short -failfast` would.
func (t *trial) test(ctx context.Context, program string, number int) ([]byte, error) {
	// Its own limit prints where it hangs; the one around it is for a test that
	// hangs before it starts or after it ends.
	ctx, cancel := context.WithTimeout(ctx, t.Limit+10*time.Second)
	defer cancel()
	limited := fmt.Sprintf(`ulimit -v %d 2>/dev/null; exec "$0" "$@"`, addressSpace)
	cmd := exec.CommandContext(ctx, "sh", "-c", limited, program,
		"-test.short", "-test.failfast", "-test.timeout="+t.Limit.String())
	cmd.Dir = filepath.Join(t.Root, filepath.FromSlash(t.Dir))
	// What the tests hold must not depend on corpora that only some have.
	cmd.Env = append(os.Environ(), "CONFORMANCE=", fmt.Sprintf("%s=%d", envName, number))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out, err
}

// copyModule copies the files that git knows in root, with their present
// contents, to a new folder, so that no change ever reaches the sources
// themselves and gremlins, which copies once more, copies nothing that was built.
func copyModule(ctx context.Context, root string) (copied string, err error) {
	list := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("list the files of %s: git ls-files: %w", root, err)
	}
	copied, err = os.MkdirTemp("", "mutants-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(copied)
		}
	}()
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(root, name))
		if errors.Is(err, os.ErrNotExist) || err == nil && info.IsDir() {
			continue // deleted and not committed yet, or a module inside
		} else if err != nil {
			return "", err
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return "", err
		}
		target := filepath.Join(copied, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(target, data, info.Mode().Perm()|0o600); err != nil {
			return "", err
		}
	}
	return copied, nil
}

// find asks gremlins for the mutants of the package in dir.
func find(ctx context.Context, gremlins, root, dir string) ([]mutant, error) {
	output := filepath.Join(root, "mutants.json")
	// Files in folders below belong to other packages.
	cmd := exec.CommandContext(ctx, gremlins, "unleash", "--dry-run", "--silent", "--workers=1", "--exclude-files=/", "--output="+output, "./"+dir)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CONFORMANCE=", "GOFLAGS="+os.Getenv("GOFLAGS")+" -short")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("package %s: %s: %w\n%s", dir, gremlins, err, out)
	}
	data, err := os.ReadFile(output)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // nothing to change
	} else if err != nil {
		return nil, err
	}
	if err := os.Remove(output); err != nil {
		return nil, err
	}
	return parseMutants(data, os.DirFS(root), dir)
}
