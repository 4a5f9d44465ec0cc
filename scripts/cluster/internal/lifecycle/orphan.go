package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/cgroup"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

// orphan finds a supervisor of the cluster kept in dir that has lost its state
// file, and as much of the state as can be told from the process itself.
func orphan(dir string) (state.State, bool) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil || !supervises(line, dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		process, err := state.Identify(pid)
		if err != nil {
			continue
		}
		s := state.State{Dir: dir, Supervisor: process}
		groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if s.Traces.Cgroup = groupOf(string(groups)); err == nil && s.Traces.Cgroup != "" {
			s.Traces.Hierarchies, _ = cgroup.Find()
		}
		return s, true
	}
	return state.State{}, false
}

// supervises says whether a command line, its arguments ended by zero bytes,
// is that of the supervisor of the cluster kept in dir. The path of its
// configuration is what no other process has.
func supervises(cmdline []byte, dir string) bool {
	args := strings.Split(string(cmdline), "\x00")
	return len(args) > 2 && (args[1] == SuperviseCommand || args[1] == ContinueCommand) && args[2] == configFile(dir)
}

// groupOf finds the cluster's control group in /proc/PID/cgroup, whose lines
// are ID:CONTROLLERS:PATH.
func groupOf(groups string) string {
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		for segment := range strings.SplitSeq(fields[2], "/") {
			if strings.HasPrefix(segment, plan.Prefix) {
				return segment
			}
		}
	}
	return ""
}
