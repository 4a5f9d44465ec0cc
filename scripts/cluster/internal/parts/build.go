package parts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Builder builds parts whose sources are in the subfolders of Sources.
type Builder struct {
	Sources string
	Cache   Cache
	Env     []string
	// Progress is told, now and then, what is being done and for how long.
	Progress func(what string, elapsed time.Duration)
	// Done is told what was built.
	Done func(what string, elapsed time.Duration)
}

// What a build takes when nothing of it was built before: measured 3.2 GB of
// build cache and 0.7 GB of modules for Kubernetes alone.
const spaceToBuild = 6 << 30

// Build returns the folder with the part's programs, building them if needed.
func (b Builder) Build(ctx context.Context, p Part) (string, error) {
	source := filepath.Join(b.Sources, p.Name)
	goVersion, goArch, err := b.toolchain(ctx, source)
	if err != nil {
		return "", err
	}
	key, err := p.key(os.DirFS(source), goVersion, goArch)
	if err != nil {
		return "", err
	}
	begin := time.Now()
	waiting := func() { b.Progress("waiting for another build of "+p.String(), 0) }
	dir, err := b.Cache.entry(ctx, p.Name+"-"+key, waiting, func(tmp string) error {
		return b.run(ctx, p, source, tmp, begin)
	})
	if errors.Is(err, context.Canceled) {
		return "", fmt.Errorf("build of %s interrupted after %s: start it again, what is compiled stays compiled", p, round(time.Since(begin)))
	}
	if err == nil && !p.complete(dir) {
		return "", fmt.Errorf("cache folder %s lacks a program of %s: delete it and start again", dir, p.Name)
	}
	return dir, err
}

// Built says whether the part is in the cache.
func (b Builder) Built(ctx context.Context, p Part) (bool, error) {
	source := filepath.Join(b.Sources, p.Name)
	goVersion, goArch, err := b.toolchain(ctx, source)
	if err != nil {
		return false, err
	}
	key, err := p.key(os.DirFS(source), goVersion, goArch)
	return err == nil && p.complete(filepath.Join(b.Cache.Dir, p.Name+"-"+key)), err
}

func (b Builder) run(ctx context.Context, p Part, source, out string, begin time.Time) error {
	if p.Name == "kubernetes" {
		if err := b.checkSpace(ctx, source); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "go", p.args(out)...)
	cmd.Dir = source
	cmd.Env = b.goEnv()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	// Its own process group, so that an interrupted build ends with all the
	// compilers it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stop := b.report(p, begin)
	err := cmd.Run()
	stop()
	if ctx.Err() != nil {
		return context.Canceled
	}
	if err != nil {
		return fmt.Errorf("cannot build %s in %s: %w\n%s", p, source, err, tail(output.String(), 20))
	}
	b.Done(p.String(), time.Since(begin))
	return nil
}

// report calls Progress each second until the returned function is called.
func (b Builder) report(p Part, begin time.Time) (stop func()) {
	ticker := time.NewTicker(time.Second)
	done, ended := make(chan struct{}), make(chan struct{})
	b.Progress("building "+p.String(), 0)
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				b.Progress("building "+p.String(), time.Since(begin))
			}
		}
	}()
	return func() { ticker.Stop(); close(done); <-ended }
}

// goEnv makes the build the same for everyone: static programs, and no
// workspace or flags from outside.
func (b Builder) goEnv() []string {
	return append(b.Env[:len(b.Env):len(b.Env)], "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOOS=linux")
}

func (b Builder) toolchain(ctx context.Context, source string) (version, arch string, err error) {
	values, err := b.goSettings(ctx, source, "GOVERSION", "GOARCH")
	if err != nil {
		return "", "", err
	}
	return values[0], values[1], nil
}

func (b Builder) goSettings(ctx context.Context, source string, names ...string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"env"}, names...)...)
	cmd.Dir = source
	cmd.Env = b.goEnv()
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("go is not in PATH: install Go 1.26 or later, or, where sudo resets the path, use sudo env PATH=\"$PATH\"")
	}
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("go env failed in %s: %s", source, strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, err
	}
	values := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(values) != len(names) {
		return nil, fmt.Errorf("go env answered %d lines for %d names in %s", len(values), len(names), source)
	}
	return values, nil
}

func (b Builder) checkSpace(ctx context.Context, source string) error {
	dirs, err := b.goSettings(ctx, source, "GOCACHE", "GOMODCACHE")
	if err != nil {
		return err
	}
	for _, dir := range append(dirs, b.Cache.Dir) {
		if err := CheckSpace(dir, spaceToBuild, "to build Kubernetes"); err != nil {
			return err
		}
	}
	return nil
}

// CheckSpace fails unless need bytes are free where dir is, or is to be.
func CheckSpace(dir string, need uint64, purpose string) error {
	var fs syscall.Statfs_t
	for at := dir; ; at = filepath.Dir(at) {
		err := syscall.Statfs(at, &fs)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.ENOENT) || at == filepath.Dir(at) {
			return fmt.Errorf("cannot tell the free space at %s: %w", dir, err)
		}
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < need {
		return fmt.Errorf("only %.1f GiB of disk space are free at %s, want %.1f %s", gib(free), dir, gib(need), purpose)
	}
	return nil
}

func gib(n uint64) float64 { return float64(n) / (1 << 30) }

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
