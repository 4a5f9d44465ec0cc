//go:build integration && linux

package hostile

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// asideEnv has the test's binary be the neighbours: a process of its own, because
// an attacker's work must delay the server, and not the client that measures it.
const asideEnv = "HOSTILE_NEIGHBOURS"

func TestMain(m *testing.M) {
	if text := os.Getenv(asideEnv); text != "" {
		if err := beAside(text, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// Attackers have machines of their own: here they get half of the processors at
	// most, so that what is measured is what the server does with the rest.
	runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2))
	os.Exit(m.Run())
}

// place says to the neighbours where the server is.
type place struct {
	Webhook, Monitoring string
	CA                  []byte
	Sets                bool
}

// beAside answers each line with what happened since the last, and ends with its
// input.
func beAside(text string, in io.Reader, out io.Writer) error {
	var p place
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("%s: %w", asideEnv, err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	n, err := newNeighbours(ctx, &injector{webhook: p.Webhook, monitoring: p.Monitoring, files: &process.Files{Roots: roots}}, p.Sets)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { defer close(done); n.run(ctx) }()
	answer := json.NewEncoder(out)
	if err := answer.Encode(counts{}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := answer.Encode(n.take()); err != nil {
			return err
		}
	}
	stop()
	<-done
	return answer.Encode(n.take())
}

// aside are neighbours in a process of their own.
type aside struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func startAside(s *injector, sets bool) (*aside, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &aside{cmd: exec.Command(self)}
	a.cmd.Env = append(os.Environ(), asideEnv+"="+encoded(place{s.webhook, s.monitoring, s.files.CA, sets}))
	a.cmd.Stderr = os.Stderr
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.out = json.NewDecoder(out)
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	if err := a.out.Decode(&counts{}); err != nil {
		return nil, errors.Join(errors.New("the good client did not begin"), a.cmd.Wait())
	}
	return a, nil
}

// take returns what happened since the last time.
func (a *aside) take() (c counts, err error) {
	if _, err := io.WriteString(a.in, "\n"); err != nil {
		return c, err
	}
	err = a.out.Decode(&c)
	return c, err
}

// end waits for what is under way and returns what happened since the last time.
func (a *aside) end() (c counts, err error) {
	err = errors.Join(a.in.Close(), a.out.Decode(&c), a.cmd.Wait())
	return c, err
}
