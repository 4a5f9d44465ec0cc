package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// hostPIDs maps the numbers of processes in the process namespace of process
// pid to their numbers here.
func hostPIDs(pid int) map[int]int {
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return nil
	}
	pids := map[int]int{}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if ns, err := os.Readlink(dir + "/ns/pid"); err != nil || ns != namespace {
			continue
		}
		data, err := os.ReadFile(dir + "/status")
		if err != nil {
			continue
		}
		if outer, inner, ok := numbers(string(data)); ok {
			pids[inner] = outer
		}
	}
	return pids
}

// numbers reads the line NSpid of /proc/PID/status: a process's numbers from
// the outermost to the innermost namespace.
func numbers(status string) (outer, inner int, ok bool) {
	for line := range strings.Lines(status) {
		rest, found := strings.CutPrefix(line, "NSpid:")
		if !found {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			return 0, 0, false
		}
		outer, err := strconv.Atoi(fields[0])
		if err != nil {
			return 0, 0, false
		}
		inner, err := strconv.Atoi(fields[len(fields)-1])
		return outer, inner, err == nil
	}
	return 0, 0, false
}
