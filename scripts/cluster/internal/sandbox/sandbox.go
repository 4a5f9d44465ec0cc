// Package sandbox keeps a cluster apart from the machine it runs on. Its
// processes live in namespaces of their own: process 1 of the process
// namespace is the supervisor, so that when it ends the kernel ends all the
// others, with their mounts and network devices.
package sandbox

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/cgroup"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/netlink"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
)

// Flags are the namespaces the supervisor is born into. A cgroup namespace
// comes later: its root is the group that the process is in when it is made.
const Flags = unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// PeerDevice is the name of the veth end in the cluster's network namespace.
const PeerDevice = "eth0"

// Config says what the sandbox of one cluster looks like.
type Config struct {
	Plan        plan.Plan          `json:"plan"`
	Hostname    string             `json:"hostname"`
	Node        bool               `json:"node"`        // false: only processes and their end are contained
	Hierarchies []cgroup.Hierarchy `json:"hierarchies"` // none without a node
	Cgroup      string             `json:"cgroup"`
	Var         string             `json:"var"`     // the folder to be seen as /var
	Keep        []string           `json:"keep"`    // folders to be seen where they are, even below /var or /run
	Scratch     string             `json:"scratch"` // a folder for files that stand in for others
}

// Enter does what must come before the cgroup namespace, makes that, and
// starts the program anew in it with args: of a process with several threads
// only the calling one changes namespaces, but a new program starts with one.
func Enter(c Config, args []string) error {
	runtime.LockOSThread()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	if c.Node {
		if err := cgroup.Join(c.Hierarchies, c.Cgroup); err != nil {
			return err
		}
		if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return fmt.Errorf("cannot make a cgroup namespace: %w", err)
		}
	}
	err := syscall.Exec("/proc/self/exe", args, os.Environ())
	return fmt.Errorf("cannot start the supervisor anew: %w", err)
}

// Setup finishes the sandbox around the calling process.
func Setup(c Config) error {
	if err := unix.Sethostname([]byte(c.Hostname)); err != nil {
		return fmt.Errorf("cannot set host name %q: %w", c.Hostname, err)
	}
	if err := network(c); err != nil {
		return err
	}
	if !c.Node {
		return mount("proc", "/proc", "proc", secure, "")
	}
	return mounts(c)
}

// network gives the cluster's end of the link its address. Without a node
// nobody uses that end, but a device is only there while both are.
func network(c Config) error {
	for _, device := range []string{"lo", PeerDevice} {
		if err := netlink.Up(device); err != nil {
			return err
		}
	}
	if !c.Node {
		return nil
	}
	if err := netlink.AddAddress(PeerDevice, netip.PrefixFrom(c.Plan.Node, c.Plan.Link.Bits())); err != nil {
		return err
	}
	if err := netlink.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), c.Plan.Host); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
}

const secure = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

func mounts(c Config) error {
	keep, err := open(c.Keep)
	if err != nil {
		return err
	}
	defer keep.close()
	steps := []func() error{
		func() error { return mount("proc", "/proc", "proc", secure, "") },
		func() error { return mount("sysfs", "/sys", "sysfs", secure, "") },
		func() error { return mountCgroups(c.Hierarchies) },
		func() error { return mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755") },
		func() error { return private(c.Var) },
		keep.show,
		func() error { return standIns(c.Scratch) },
		// The kubelet hands mounts on to containers.
		func() error { return mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func mountCgroups(hierarchies []cgroup.Hierarchy) error {
	const root = "/sys/fs/cgroup"
	if len(hierarchies) == 1 && hierarchies[0].Version == 2 {
		if err := mount("cgroup2", root, "cgroup2", secure, ""); err != nil {
			return err
		}
		return cgroup.Delegate(root)
	}
	if err := mount("tmpfs", root, "tmpfs", secure, "mode=755"); err != nil {
		return err
	}
	for _, h := range hierarchies {
		dir := filepath.Join(root, filepath.Base(h.Mount))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := mount("cgroup", dir, "cgroup", secure, h.Options); err != nil {
			return err
		}
	}
	return nil
}

// private puts dir, with the folders that programs expect, in place of /var.
func private(dir string) error {
	for _, d := range []string{"lib", "log", "cache", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", filepath.Join(dir, "run")); err != nil && !os.IsExist(err) {
		return err
	}
	return mount(dir, "/var", "", unix.MS_BIND, "")
}

// standIns hides the settings that the kubelet would change for the whole
// machine behind files that hold the values it wants to see.
func standIns(scratch string) error {
	for file, value := range map[string]string{
		"vm/overcommit_memory":      "1",
		"vm/panic_on_oom":           "0",
		"kernel/panic":              "10",
		"kernel/panic_on_oops":      "1",
		"kernel/keys/root_maxkeys":  "1000000",
		"kernel/keys/root_maxbytes": "25000000",
	} {
		source := filepath.Join(scratch, filepath.Base(file))
		if err := os.WriteFile(source, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		target := filepath.Join("/proc/sys", file)
		if _, err := os.Stat(target); os.IsNotExist(err) {
			continue
		}
		if err := mount(source, target, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, options string) error {
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return fmt.Errorf("cannot mount %s on %s: %w", source, target, err)
	}
	return nil
}
