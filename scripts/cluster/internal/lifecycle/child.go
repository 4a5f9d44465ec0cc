package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/sandbox"
)

// Names under which the launcher calls itself.
const (
	SuperviseCommand = "supervise"         // in the new namespaces, before anything is known
	ContinueCommand  = "supervise-cluster" // in the finished sandbox
	ProbeCommand     = "probe"
)

// HostNetworkFD is the descriptor under which the supervisor finds the
// machine's network namespace.
const HostNetworkFD = 3

func configFile(dir string) string { return filepath.Join(dir, "config", "supervisor.json") }

// child is a supervisor that this launcher started. leash is the pipe at whose
// end the supervisor learns that the launcher is gone.
type child struct {
	cmd   *exec.Cmd
	leash *os.File
	log   string
	ended chan struct{} // closed when it ended, and how is known
}

// startChild starts a supervisor for the cluster kept in dir. It waits for
// release before it does anything.
func startChild(dir string) (*child, error) {
	network, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	defer network.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	logPath := filepath.Join(dir, "logs", "supervisor.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	cmd := selfCommand(SuperviseCommand, configFile(dir))
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, log, log
	cmd.ExtraFiles = []*os.File{network}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: sandbox.Flags, Setsid: true}
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, namespaceError(err)
	}
	c := &child{cmd: cmd, leash: write, log: logPath, ended: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// dead says how the supervisor ended, if it did.
func (c *child) dead() error {
	select {
	case <-c.ended:
		return fmt.Errorf("the supervisor ended by itself (%s)%s", c.cmd.ProcessState, logTail(c.log))
	default:
		return nil
	}
}

// selfCommand runs this program anew, even if its file was replaced meanwhile.
func selfCommand(args ...string) *exec.Cmd {
	return &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{"embedded-cluster"}, args...)}
}

// namespaceError explains why no process could be started in new namespaces.
func namespaceError(err error) error {
	switch {
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("the kernel does not let this process make namespaces (%w): it needs CAP_SYS_ADMIN, which in a container means a privileged one", err)
	case errors.Is(err, syscall.EINVAL):
		return fmt.Errorf("the kernel lacks a kind of namespace (%w): it must have process, mount, network, IPC, UTS and cgroup namespaces", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("there are too many namespaces (%w): raise the limits in /proc/sys/user", err)
	}
	return fmt.Errorf("cannot start the supervisor: %w", err)
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// release lets the supervisor read its configuration and begin.
func (c *child) release() error {
	_, err := c.leash.Write([]byte{'\n'})
	return err
}

// abandon makes the supervisor end its cluster.
func (c *child) abandon() {
	if c != nil {
		c.leash.Close()
	}
}
