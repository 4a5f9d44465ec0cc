// Package cgroup gives a cluster one control group of its own in every
// hierarchy of the machine, version 1 or 2, and removes it again.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Hierarchy is one mounted tree of control groups.
type Hierarchy struct {
	Mount   string `json:"mount"`   // where it is mounted on the machine
	Options string `json:"options"` // of version 1: its controllers or its name
	Version int    `json:"version"`
}

// neededV1 and neededV2 are the controllers that the kubelet and the container runtime cannot
// do without.
func neededV1() []string { return []string{"cpu", "cpuset", "devices", "freezer", "memory", "pids"} }
func neededV2() []string { return []string{"cpu", "cpuset", "memory", "pids"} }

// Find lists the hierarchies to use: the ones of version 1 where they have
// controllers, else the one of version 2.
func Find() ([]Hierarchy, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := parse(f)
	if err != nil {
		return nil, err
	}
	return choose(all, func(mount string) ([]string, error) {
		data, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
		return strings.Fields(string(data)), err
	})
}

// parse reads the format of /proc/PID/mountinfo: ID PARENT DEVICE ROOT MOUNT
// OPTIONS [OPTIONAL...] - TYPE SOURCE SUPEROPTIONS.
func parse(r io.Reader) ([]Hierarchy, error) {
	var found []Hierarchy
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		h := Hierarchy{Mount: fields[4]}
		switch kind[0] {
		case "cgroup2":
			h.Version = 2
		case "cgroup":
			h.Version, h.Options = 1, v1Options(kind[2])
		default:
			continue
		}
		// A hierarchy may be mounted in several places; one is enough.
		if key := fmt.Sprint(h.Version, h.Options); !seen[key] {
			seen[key] = true
			found = append(found, h)
		}
	}
	return found, lines.Err()
}

// v1Options drops from a mount's options all that does not select a hierarchy.
func v1Options(super string) string {
	var keep []string
	for o := range strings.SplitSeq(super, ",") {
		switch o {
		case "rw", "ro", "xattr", "clone_children", "noprefix", "seclabel", "release_agent":
		default:
			if !strings.HasPrefix(o, "release_agent=") {
				keep = append(keep, o)
			}
		}
	}
	return strings.Join(keep, ",")
}

func choose(all []Hierarchy, controllers func(mount string) ([]string, error)) ([]Hierarchy, error) {
	var v1 []Hierarchy
	var have []string
	for _, h := range all {
		if h.Version == 1 {
			v1 = append(v1, h)
			have = append(have, strings.Split(h.Options, ",")...)
		}
	}
	if slices.Contains(have, "memory") {
		return v1, missing(1, neededV1(), have)
	}
	for _, h := range all {
		if h.Version != 2 {
			continue
		}
		have, err := controllers(h.Mount)
		if err != nil {
			return nil, fmt.Errorf("cannot read the controllers of cgroup %s: %w", h.Mount, err)
		}
		return []Hierarchy{h}, missing(2, neededV2(), have)
	}
	return nil, errors.New("no cgroup controllers are mounted: mount cgroup version 2 on /sys/fs/cgroup, or use --control-plane-only, which needs none")
}

func missing(version int, needed, have []string) error {
	var lack []string
	for _, n := range needed {
		if !slices.Contains(have, n) {
			lack = append(lack, n)
		}
	}
	if len(lack) == 0 {
		return nil
	}
	return fmt.Errorf("cgroup version %d lacks controllers %s: enable them in the kernel or for this container, or use --control-plane-only, which needs none",
		version, strings.Join(lack, ", "))
}

// Create makes the group name in each hierarchy.
func Create(hierarchies []Hierarchy, name string) error {
	for _, h := range hierarchies {
		if err := h.create(name); err != nil {
			return fmt.Errorf("cannot make cgroup: %w", err)
		}
	}
	return nil
}

func (h Hierarchy) create(name string) error {
	dir := filepath.Join(h.Mount, name)
	if h.Version == 2 {
		// A group has the controllers that its parent hands down. Most systems
		// hand these down already.
		if err := handDown(h.Mount); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if h.Version == 1 && slices.Contains(strings.Split(h.Options, ","), "cpuset") {
		return copyCPUSet(h.Mount, dir)
	}
	return nil
}

// handDown lets the groups in dir use the controllers the kubelet needs.
func handDown(dir string) error {
	for _, c := range append(neededV2(), "io", "hugetlb") {
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0)
		if err != nil && slices.Contains(neededV2(), c) {
			return err
		}
	}
	return nil
}

// copyCPUSet fills in what a new group of version 1 lacks: no process can join
// it until it has processors and memory nodes.
func copyCPUSet(from, to string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(from, file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, file), value, 0); err != nil {
			return err
		}
	}
	return nil
}

// Join moves the calling process into the group name of each hierarchy.
func Join(hierarchies []Hierarchy, name string) error {
	for _, h := range hierarchies {
		if err := move(filepath.Join(h.Mount, name)); err != nil {
			return fmt.Errorf("cannot join cgroup: %w", err)
		}
	}
	return nil
}

func move(dir string) error {
	return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0)
}

// Delegate prepares root, a version 2 group that is the root of a cgroup
// namespace, to have groups: version 2 allows controllers in them only while
// no process is in root itself.
func Delegate(root string) error {
	leaf := filepath.Join(root, "system")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return err
	}
	if err := move(leaf); err != nil {
		return err
	}
	return handDown(root)
}

// Remove removes the group name and all below it from each hierarchy. A group
// stays busy for a moment after its last process ended, hence the timeout.
func Remove(hierarchies []Hierarchy, name string, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for _, h := range hierarchies {
		for {
			err := removeTree(filepath.Join(h.Mount, name))
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("cannot remove cgroup: %w", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// RemoveEmpty removes the groups whose names begin with prefix, for which
// stale is true, and which hold no process: what is left of clusters that ended
// without a launcher to clean up after them.
func RemoveEmpty(hierarchies []Hierarchy, prefix string, stale func(name string) bool) error {
	for _, h := range hierarchies {
		groups, err := filepath.Glob(filepath.Join(h.Mount, prefix+"*"))
		if err != nil {
			return err
		}
		for _, dir := range groups {
			if !stale(filepath.Base(dir)) || !empty(dir) {
				continue
			}
			if err := removeTree(dir); err != nil {
				return fmt.Errorf("cannot remove old cgroup: %w", err)
			}
		}
	}
	return nil
}

// empty says whether neither the group nor one below it holds a process.
func empty(dir string) bool {
	found := errors.New("found")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		if data, err := os.ReadFile(path); err != nil || len(data) > 0 {
			return found
		}
		return nil
	})
	return err == nil
}

// removeTree removes groups from the leaves up; the files in them are not
// there to be removed.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
