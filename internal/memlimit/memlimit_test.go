package memlimit

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestFromContainer(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, tt := range map[string]struct {
		root fstest.MapFS
		want int64
	}{
		"nothing known":            {fstest.MapFS{}, 0},
		"v2, container's own root": {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("100000000\n")}, 90000000},
		"v2, no limit":             {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 0},
		"v2, limit of a parent": {fstest.MapFS{
			"proc/self/cgroup": file("0::/pod/container\n"), "sys/fs/cgroup/pod/container/memory.max": file("max\n"),
			"sys/fs/cgroup/pod/memory.max": file("200000000\n"),
		}, 180000000},
		"v2, the lowest counts": {fstest.MapFS{
			"proc/self/cgroup": file("0::/pod/container\n"), "sys/fs/cgroup/pod/container/memory.max": file("100000000\n"),
			"sys/fs/cgroup/pod/memory.max": file("200000000\n"),
		}, 90000000},
		"v1":                      {fstest.MapFS{"proc/self/cgroup": file("9:cpu,cpuacct:/k/c\n4:memory:/k/c\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("50000000\n")}, 45000000},
		"v1, no limit":            {fstest.MapFS{"proc/self/cgroup": file("4:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 0},
		"v1, memory among others": {fstest.MapFS{"proc/self/cgroup": file("4:hugetlb,memory:/a\n"), "sys/fs/cgroup/memory/a/memory.limit_in_bytes": file("50000000\n")}, 45000000},
		"rubbish":                 {fstest.MapFS{"proc/self/cgroup": file("hello\n\n"), "sys/fs/cgroup/memory.max": file("-3")}, 0},
	} {
		if got := FromContainer(tt.root); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestDivide(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct{ limit, bodies, work int64 }{
		{0, 73, 204},
		{math.MaxInt64, 73, 204},
		{230 * mib, 32, 92},
		{57 * mib, 16, 22}, // a container of 64 MiB
		{1800 * mib, 257, 720},
	} {
		bodies, work := Divide(tt.limit)
		if bodies/mib != tt.bodies || work/mib != tt.work {
			t.Errorf("of %d MiB: %d and %d, want %d and %d", tt.limit/mib, bodies/mib, work/mib, tt.bodies, tt.work)
		}
	}
}
