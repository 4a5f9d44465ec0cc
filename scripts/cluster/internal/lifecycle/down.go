package lifecycle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/cgroup"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

// The supervisor gives each of three stages some seconds.
const (
	stopTimeout  = 15 * time.Second
	traceTimeout = 10 * time.Second
)

// Down takes the cluster down and removes all of it.
func Down(ctx context.Context, o Options) error {
	unlock, err := o.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(o.Dir()); errors.Is(err, os.ErrNotExist) {
		o.Say("cluster %q is not up", o.Name)
		return nil
	}
	begin := time.Now()
	if err := clean(o.Dir(), false); err != nil {
		return fmt.Errorf("cannot take cluster %q down: %w", o.Name, err)
	}
	o.Say("cluster %q is down after %s: no process, mount, cgroup, device or file of it is left", o.Name, seconds(begin))
	return nil
}

// clean ends the cluster kept in dir, whatever shape it is in, removes its
// traces, and fails if one stays. keepLogs keeps the folder with the logs.
func clean(dir string, keepLogs bool) error {
	s, ok, err := state.Load(dir)
	if err != nil {
		return err
	}
	if !ok {
		s, ok = orphan(dir)
	}
	if ok {
		if err := stop(s); err != nil {
			return err
		}
		if err := removeTraces(s); err != nil {
			return err
		}
	}
	if err := sweep(); err != nil {
		return err
	}
	if at := mountsBelow(dir); len(at) > 0 {
		return fmt.Errorf("still mounted: %s: unmount it", strings.Join(at, ", "))
	}
	return removeFolder(dir, keepLogs)
}

// stop ends the supervisor, by asking if possible; with it the kernel ends
// all other processes of the cluster before it counts as ended.
func stop(s state.State) error {
	if !s.Supervisor.Alive() {
		return nil
	}
	_, err := supervisor.Call(s.Dir, supervisor.Request{Op: supervisor.OpShutdown}, 2*time.Second)
	if err == nil && s.Supervisor.Wait(stopTimeout) {
		return nil
	}
	return s.Supervisor.Kill(stopTimeout)
}

// removeTraces waits for the kernel to remove the network device with the
// namespace that its other end was in, and removes the control groups.
func removeTraces(s state.State) error {
	deadline := time.Now().Add(traceTimeout)
	for deviceLeft(s) {
		if time.Now().After(deadline) {
			return fmt.Errorf("network device %s is still there: something holds the network namespace open", s.Plan.Device)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if s.Traces.Cgroup == "" {
		return nil
	}
	return cgroup.Remove(s.Traces.Hierarchies, s.Traces.Cgroup, traceTimeout)
}

// sweep removes the groups of clusters that ended with nobody to clean up after
// them, such as one whose folder was deleted. A cluster has a device for as
// long as it has groups.
func sweep() error {
	hierarchies, err := cgroup.Find()
	if err != nil {
		return nil // then no cluster has groups
	}
	return cgroup.RemoveEmpty(hierarchies, plan.Prefix, func(group string) bool {
		_, err := net.InterfaceByName(group[:strings.LastIndexByte(group, '-')])
		return err != nil
	})
}

// deviceLeft looks for the device by number as well, since another cluster may
// have the name by now.
func deviceLeft(s state.State) bool {
	device, err := net.InterfaceByName(s.Plan.Device)
	return err == nil && device.Index == s.Traces.LinkIndex
}

// mountsBelow lists what is mounted in dir for all to see.
func mountsBelow(dir string) []string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	var found []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			found = append(found, fields[4])
		}
	}
	return found
}

// removeFolder removes the state file last: while it is there, another try can
// find the rest.
func removeFolder(dir string, keepLogs bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); path != state.File(dir) && !(keepLogs && e.Name() == "logs") {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(state.File(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if keepLogs {
		return nil
	}
	return os.Remove(dir)
}
