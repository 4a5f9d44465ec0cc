// Package memlimit derives Go's soft memory limit from the container's.
package memlimit

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// share is what Go's runtime may use of the container's memory: the rest is for
// what it does not count, such as the program's own pages.
const share = 0.9

// FromContainer returns what GOMEMLIMIT should be, in bytes: nine tenths of the
// container's memory limit, so that Go collects garbage harder near the limit
// instead of being killed at it. It returns 0 where there is no limit. root is the
// machine's file system.
//
// The number of processors needs no such care: since Go 1.25 the runtime reads
// the container's CPU limit by itself and follows its changes.
func FromContainer(root fs.FS) int64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	lowest := int64(math.MaxInt64)
	for _, line := range strings.Split(strings.TrimSpace(string(groups)), "\n") {
		fields := strings.SplitN(line, ":", 3) // id:controllers:path
		if len(fields) != 3 {
			continue
		}
		dir, file := "", ""
		switch {
		case fields[1] == "": // version 2
			dir, file = "sys/fs/cgroup", "memory.max"
		case strings.Contains(","+fields[1]+",", ",memory,"):
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// A container sees its own group either at its path or, when only that
		// group is mounted, at the root. Limits of parents count as well.
		for p := path.Clean("/" + fields[2]); ; p = path.Dir(p) {
			if n, ok := readLimit(root, path.Join(dir, p, file)); ok {
				lowest = min(lowest, n)
			}
			if p == "/" {
				break
			}
		}
	}
	// Version 1 says "no limit" with a number near the largest there is.
	if lowest >= 1<<62 {
		return 0
	}
	return int64(float64(lowest) * share)
}

func readLimit(root fs.FS, name string) (int64, bool) {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64) // "max" is no number
	return n, err == nil && n > 0
}

// withoutLimit is the memory that the server divides where nothing limits it.
const withoutLimit = 512 << 20

// smallestBodies is enough for the largest review and its answer, and some others.
const smallestBodies = 16 << 20

// Divide says what of Go's memory limit, in bytes, bodies and answers may take, and
// what the work on pods may. What is left is for the program, the configuration and
// its caches, and for connections. A limit of 0 or math.MaxInt64 is none.
func Divide(limit int64) (bodies, work int64) {
	if limit <= 0 || limit == math.MaxInt64 {
		limit = withoutLimit
	}
	// Of 230 MiB, which is the limit in a container of 256 MiB: 32 and 92 MiB.
	return max(limit/7, smallestBodies), limit * 2 / 5
}
