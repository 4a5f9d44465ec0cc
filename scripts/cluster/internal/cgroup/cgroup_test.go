package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	hybrid = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
34 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
35 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
36 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
37 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
38 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/bin/agent,name=systemd
39 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
40 23 0:32 / /mnt/again rw,relatime - cgroup cgroup rw,memory
`
	unified = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
)

func find(t *testing.T, mountinfo string, controllers ...string) ([]Hierarchy, error) {
	t.Helper()
	all, err := parse(strings.NewReader(mountinfo))
	if err != nil {
		t.Fatal(err)
	}
	return choose(all, func(string) ([]string, error) { return controllers, nil })
}

func TestFindVersion1(t *testing.T) {
	got, err := find(t, hybrid)
	if err != nil {
		t.Fatal(err)
	}
	var options []string
	for _, h := range got {
		if h.Version != 1 {
			t.Errorf("%s is of version %d, want 1", h.Mount, h.Version)
		}
		options = append(options, h.Options)
	}
	want := []string{"cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "pids", "name=systemd"}
	if !slices.Equal(options, want) {
		t.Errorf("options are %q, want %q", options, want)
	}
}

func TestFindVersion2(t *testing.T) {
	got, err := find(t, unified, "cpuset", "cpu", "io", "memory", "pids")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Hierarchy{Mount: "/sys/fs/cgroup", Version: 2}); len(got) != 1 || got[0] != want {
		t.Errorf("hierarchies are %+v, want %+v", got, want)
	}
}

func TestFindSaysWhatIsMissing(t *testing.T) {
	for _, test := range []struct {
		name, mountinfo, want string
		controllers           []string
	}{
		{"nothing", "", "no cgroup controllers are mounted", nil},
		{"version 1", strings.ReplaceAll(hybrid, "pids", "misc"), "cgroup version 1 lacks controllers pids", nil},
		{"version 2", unified, "cgroup version 2 lacks controllers cpuset, pids", []string{"cpu", "memory"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := find(t, test.mountinfo, test.controllers...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %q in it", err, test.want)
			}
		})
	}
}

// Plain folders behave like groups, but for the files that come by themselves.
func TestRemove(t *testing.T) {
	h := []Hierarchy{{Mount: t.TempDir(), Version: 1}, {Mount: t.TempDir(), Version: 1}}
	group := func(name string) string { return filepath.Join(h[0].Mount, name) }
	for _, dir := range []string{"embk8s-1-7/a/b", "embk8s-1-8/a", "embk8s-10-7"} {
		if err := os.MkdirAll(group(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(group("embk8s-1-8/a/cgroup.procs"), []byte("42\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := RemoveEmpty(h, "embk8s-", func(name string) bool { return strings.HasPrefix(name, "embk8s-1-") }); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]bool{"embk8s-1-7": false, "embk8s-1-8": true, "embk8s-10-7": true} {
		if _, err := os.Stat(group(name)); (err == nil) != want {
			t.Errorf("group %s is there: %v, want %v", name, err == nil, want)
		}
	}
	if err := Remove(h, "embk8s-10-7", 0); err != nil {
		t.Error(err)
	}
	if err := Remove(h, "embk8s-10-7", 0); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func TestRemoveGivesUp(t *testing.T) {
	h := []Hierarchy{{Mount: t.TempDir(), Version: 1}}
	busy := filepath.Join(h[0].Mount, "g")
	if err := os.Mkdir(busy, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(busy, "process"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Remove(h, "g", time.Millisecond); err == nil || !strings.Contains(err.Error(), busy) {
		t.Errorf("error is %v, want one that names %s", err, busy)
	}
}
