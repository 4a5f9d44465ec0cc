//go:build integration && linux

package hostile

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryLimit is the chart's for the injector's container.
const memoryLimit = 256 << 20

// group is a control group of the kernel's, of version 1 or 2, with a limit on
// memory and no swap.
type group struct {
	folder string
	files  groupFiles
}

// groupFiles are the names that the versions give to the same things.
type groupFiles struct {
	limit, swap, peak, usage, events string
	// swapIsSum: the limit for swap counts memory too.
	swapIsSum bool
}

var (
	version1 = groupFiles{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes", "memory.usage_in_bytes", "memory.oom_control", true}
	version2 = groupFiles{"memory.max", "memory.swap.max", "memory.peak", "memory.current", "memory.events", false}
)

// newGroup makes a control group below the test's own or, where groups with
// processes may have none below, beside it.
func newGroup(name string) (*group, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("control groups are Linux's: %w", err)
	}
	var errs []error
	for _, place := range placesOf(string(own)) {
		g := &group{folder: filepath.Join(place.folder, name), files: place.files}
		if err := g.create(); err != nil {
			errs = append(errs, err)
			continue
		}
		return g, nil
	}
	return nil, fmt.Errorf("no control group for memory can be made: %w", errors.Join(errs...))
}

type groupPlace struct {
	folder string
	files  groupFiles
}

// placesOf lists the folders in which a group can be made, the best first, from
// the text of /proc/self/cgroup.
func placesOf(own string) (places []groupPlace) {
	for line := range strings.Lines(own) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // id:controllers:path
		if len(fields) != 3 {
			continue
		}
		mount, files := "", groupFiles{}
		switch {
		case fields[1] == "":
			mount, files = "/sys/fs/cgroup", version2
		case strings.Contains(","+fields[1]+",", ",memory,"):
			mount, files = "/sys/fs/cgroup/memory", version1
		default:
			continue
		}
		for p := path.Clean("/" + fields[2]); ; p = path.Dir(p) {
			places = append(places, groupPlace{filepath.Join(mount, p), files})
			if p == "/" {
				break
			}
		}
	}
	return places
}

func (g *group) create() error {
	if g.files == version2 {
		// Best effort: where the parent passes memory on already, or may not, the
		// limit below says so.
		_ = os.WriteFile(filepath.Join(filepath.Dir(g.folder), "cgroup.subtree_control"), []byte("+memory"), 0)
	}
	if err := os.Mkdir(g.folder, 0o755); err != nil {
		return err
	}
	if err := g.set(g.files.limit, memoryLimit); err != nil {
		return errors.Join(err, os.Remove(g.folder))
	}
	swap := 0
	if g.files.swapIsSum {
		swap = memoryLimit
	}
	if _, err := os.Stat(filepath.Join(g.folder, g.files.swap)); err == nil {
		if err := g.set(g.files.swap, swap); err != nil {
			return errors.Join(err, os.Remove(g.folder))
		}
	}
	return nil
}

// remove needs all processes of the group to have ended.
func (g *group) remove() error { return os.Remove(g.folder) }

// command is one that runs in the group from its first instruction on.
func (g *group) command(program string, args ...string) *exec.Cmd {
	script := `echo 0 > "$0"/cgroup.procs && exec "$@"`
	return exec.Command("/bin/sh", append([]string{"-c", script, g.folder, program}, args...)...)
}

func (g *group) set(file string, n int) error {
	return os.WriteFile(filepath.Join(g.folder, file), []byte(strconv.Itoa(n)), 0)
}

func (g *group) number(file string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.folder, file))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// peak is the most memory that the group had since forget, in bytes. It counts
// what the kernel counts against the limit: pages of files and of sockets too.
func (g *group) peak() (int64, error) { return g.number(g.files.peak) }

// forget starts a new peak, where the version can.
func (g *group) forget() error {
	if g.files == version2 {
		return nil
	}
	return g.set(g.files.peak, 0)
}

// kills is how many processes of the group the kernel has killed for memory.
func (g *group) kills() (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.folder, g.files.events))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s/%s has no line oom_kill", g.folder, g.files.events)
}
