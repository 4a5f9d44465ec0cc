package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

// Supervisor runs components until it is told to shut down.
type Supervisor struct {
	mu          sync.Mutex
	processes   []*process
	hostNetwork int
	now         func() time.Time

	keep     chan struct{} // closed when the cluster is to outlive the launcher
	keepOnce sync.Once
	quit     chan string // why it is time to shut down
}

// New returns a supervisor of components, none of them started. hostNetwork is
// a descriptor of the machine's network namespace.
func New(components []Component, hostNetwork int, now func() time.Time) *Supervisor {
	s := &Supervisor{hostNetwork: hostNetwork, now: now, keep: make(chan struct{}), quit: make(chan string, 1)}
	for _, c := range components {
		s.processes = append(s.processes, &process{Component: c, state: StateNew})
	}
	return s
}

// Run serves requests until shutdown, and stops the components.
//
// leash ends when the launcher does: a launcher that dies before it said that
// the cluster is to stay takes the cluster with it.
func (s *Supervisor) Run(ctx context.Context, c Config, leash *os.File) error {
	defer s.reapChildren()()
	listener, err := listen(c.Dir)
	if err != nil {
		return err
	}
	defer listener.Close()
	go s.serve(listener)
	go s.watchLauncher(leash)
	go s.watchFolder(c.Dir)

	s.log("started")
	select {
	case <-ctx.Done():
		s.log("shutting down: %v", context.Cause(ctx))
	case why := <-s.quit:
		s.log("shutting down: %s", why)
	}
	s.stopAll()
	s.log("all components have stopped")
	return nil
}

func (s *Supervisor) log(format string, args ...any) {
	fmt.Fprintf(os.Stderr, s.now().Format(time.RFC3339Nano)+" "+format+"\n", args...)
}

// watchFolder shuts down when the cluster's folder or its state file is gone,
// or another folder is in its place: without them no launcher could find the
// cluster to take it down.
func (s *Supervisor) watchFolder(dir string) {
	before, err := os.Stat(dir)
	if err != nil {
		s.shutdown(err.Error())
		return
	}
	for range time.Tick(folderInterval) {
		now, err := os.Stat(dir)
		_, fileErr := os.Stat(state.File(dir))
		if os.IsNotExist(err) || os.IsNotExist(fileErr) || err == nil && !os.SameFile(before, now) {
			s.shutdown("the cluster's folder or state file is gone")
			return
		}
	}
}

const folderInterval = 2 * time.Second

func (s *Supervisor) watchLauncher(leash *os.File) {
	var b [1]byte
	leash.Read(b[:]) // nothing is ever written; this returns at its end
	select {
	case <-s.keep:
	default:
		s.shutdown("the launcher ended before the cluster was up")
	}
}

// shutdown asks Run to end; all reasons but the first are dropped.
func (s *Supervisor) shutdown(why string) {
	select {
	case s.quit <- why:
	default:
	}
}

// reapChildren reaps whenever a child ends, until the returned function is
// called.
func (s *Supervisor) reapChildren() (stop func()) {
	children := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for {
			select {
			case <-children:
				s.reap()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(children)
		close(done)
	}
}

// reap collects every process that ended, also those that only ended up here
// because process 1 inherits orphans.
func (s *Supervisor) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
		for _, p := range s.processes {
			if p.state == StateRunning && p.pid == pid {
				p.ended(ws, s.now())
			}
		}
	}
}

func (s *Supervisor) find(name string) (*process, error) {
	var names []string
	for _, p := range s.processes {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return nil, fmt.Errorf("unknown component %q, must be one of %q", name, names)
}

// Start starts a component that is not running.
func (s *Supervisor) Start(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.find(name)
	if err != nil || p.state == StateRunning {
		return err
	}
	return p.start(s.hostNetwork, s.now())
}

// Stop ends a component with signal, and with SIGKILL if that does not do it,
// and returns when it is gone.
func (s *Supervisor) Stop(name string, sig syscall.Signal) error {
	s.mu.Lock()
	p, err := s.find(name)
	if err != nil || p.state != StateRunning {
		s.mu.Unlock()
		return err
	}
	p.stopping = true
	done, patience := p.done, p.Patience
	syscall.Kill(p.pid, sig)
	s.mu.Unlock()

	select {
	case <-done:
		return nil
	case <-time.After(patience):
	}
	s.mu.Lock()
	if p.state == StateRunning && p.done == done {
		syscall.Kill(p.pid, syscall.SIGKILL)
	}
	s.mu.Unlock()
	<-done
	return nil
}

// Statuses lists all components.
func (s *Supervisor) Statuses() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Status
	for _, p := range s.processes {
		all = append(all, p.status())
	}
	return all
}

// stopAll stops the components stage by stage. What they leave behind, such as
// the containers, ends with this process.
func (s *Supervisor) stopAll() {
	stages := map[int][]string{}
	for _, p := range s.processes {
		stages[p.Component.Stop] = append(stages[p.Component.Stop], p.Name)
	}
	var order []int
	for stage := range stages {
		order = append(order, stage)
	}
	slices.Sort(order)
	for _, stage := range order {
		var all sync.WaitGroup
		for _, name := range stages[stage] {
			all.Go(func() {
				if err := s.Stop(name, syscall.SIGTERM); err != nil {
					s.log("%v", err)
				}
			})
		}
		all.Wait()
	}
}
