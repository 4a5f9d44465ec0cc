package supervisor

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a component and its present or last run.
type process struct {
	Component
	pid      int
	state    string
	since    time.Time
	exit     string
	stopping bool
	done     chan struct{} // closed when the present run ends
}

func (p *process) status() Status {
	s := Status{Name: p.Name, State: p.state, Since: p.since, Exit: p.exit}
	if p.state == StateRunning {
		s.PID = p.pid
	}
	return s
}

// start runs the component. The caller holds the supervisor's lock, so that
// the end of a very short run is not looked up before it is known.
func (p *process) start(hostNetwork int, now time.Time) error {
	pid, err := p.fork(hostNetwork)
	if err != nil {
		return fmt.Errorf("cannot start %s (%s): %w", p.Name, p.Path, err)
	}
	p.pid, p.state, p.since, p.exit = pid, StateRunning, now, ""
	p.stopping = false
	p.done = make(chan struct{})
	return nil
}

func (p *process) fork(hostNetwork int) (int, error) {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{
		Dir:   "/",
		Env:   p.Env,
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	if !p.HostNetwork {
		return syscall.ForkExec(p.Path, p.Args, attr)
	}
	return inNetwork(hostNetwork, func() (int, error) { return syscall.ForkExec(p.Path, p.Args, attr) })
}

// inNetwork calls f on a thread that is in the network namespace fd. The
// thread ends with its goroutine, because that never unlocks it.
func inNetwork(fd int, f func() (int, error)) (int, error) {
	type result struct {
		pid int
		err error
	}
	out := make(chan result)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			out <- result{err: fmt.Errorf("cannot enter the machine's network namespace: %w", err)}
			return
		}
		pid, err := f()
		out <- result{pid, err}
	}()
	r := <-out
	return r.pid, r.err
}

// ended notes how the present run ended.
func (p *process) ended(ws syscall.WaitStatus, now time.Time) {
	p.state = StateExited
	if p.stopping {
		p.state = StateStopped
	}
	p.since = now
	p.exit = describe(ws)
	close(p.done)
}

func describe(ws syscall.WaitStatus) string {
	if ws.Signaled() {
		return fmt.Sprintf("ended by signal %d (%s)", int(ws.Signal()), ws.Signal())
	}
	return fmt.Sprintf("exit status %d", ws.ExitStatus())
}
