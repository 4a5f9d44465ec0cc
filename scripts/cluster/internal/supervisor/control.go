package supervisor

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Operations of a Request.
const (
	OpStatus   = "status"
	OpStart    = "start"
	OpStop     = "stop"
	OpKill     = "kill"
	OpKeep     = "keep"     // outlive the launcher
	OpShutdown = "shutdown" // answered before it is done
)

// A Request is one line of JSON on the control socket, answered by a Response.
type Request struct {
	Op        string `json:"op"`
	Component string `json:"component,omitempty"`
}

// A Response has an Error or, for OpStatus, the components.
type Response struct {
	Error      string   `json:"error,omitempty"`
	Components []Status `json:"components,omitempty"`
}

const socketName = "control.sock"

// throughFD calls f with a short path of dir's control socket: the path in a
// socket address is at most 107 bytes long, and dir may be deeper than that.
func throughFD(dir string, f func(path string) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName))
}

func listen(dir string) (l net.Listener, err error) {
	err = throughFD(dir, func(path string) error {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		l, err = net.Listen("unix", path)
		if err == nil {
			l.(*net.UnixListener).SetUnlinkOnClose(false) // the path means nothing later
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s/%s: %w", dir, socketName, err)
	}
	return l, nil
}

// Call sends one request to the supervisor of the cluster kept in dir.
func Call(dir string, r Request, timeout time.Duration) (Response, error) {
	var answer Response
	err := throughFD(dir, func(path string) error {
		conn, err := net.DialTimeout("unix", path, timeout)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(timeout))
		if err := json.NewEncoder(conn).Encode(r); err != nil {
			return err
		}
		return json.NewDecoder(conn).Decode(&answer)
	})
	if err != nil {
		return answer, fmt.Errorf("cannot reach the supervisor: %w", err)
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("%s", answer.Error)
	}
	return answer, nil
}

func (s *Supervisor) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			var r Request
			if err := json.NewDecoder(conn).Decode(&r); err != nil {
				return
			}
			json.NewEncoder(conn).Encode(s.answer(r))
		}()
	}
}

func (s *Supervisor) answer(r Request) Response {
	var err error
	switch r.Op {
	case OpStatus:
		return Response{Components: s.Statuses()}
	case OpStart:
		err = s.Start(r.Component)
	case OpStop:
		err = s.Stop(r.Component, syscall.SIGTERM)
	case OpKill:
		err = s.Stop(r.Component, syscall.SIGKILL)
	case OpKeep:
		s.keepOnce.Do(func() { close(s.keep) })
	case OpShutdown:
		s.shutdown("a launcher asked for it")
	default:
		err = fmt.Errorf("unknown operation %q", r.Op)
	}
	if err != nil {
		return Response{Error: err.Error()}
	}
	return Response{}
}
