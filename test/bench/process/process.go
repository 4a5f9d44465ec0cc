// Package process runs the injector's server as its users do, for benchmarks
// that need the whole program: with files of its own and a certificate that is
// made for it.
package process

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
)

// Files are what a server is started with.
type Files struct {
	folder string
	// CA is the certificate that callers trust, in PEM; Roots the same.
	CA    []byte
	Roots *x509.CertPool
}

// Hosts are the names in the certificate; the first is what callers ask for when
// they call an address of the machine.
func Hosts() []string { return []string{"injector.bench.svc", "127.0.0.1"} }

// Prepare writes configuration and certificates into a folder.
func Prepare(folder string, setup engine.Setup, now time.Time) (*Files, error) {
	ca, err := pki.NewCA(pki.CARequest{Subject: pki.Subject{CommonName: "benchmark"}, Validity: 24 * time.Hour}, now)
	if err != nil {
		return nil, err
	}
	leaf, err := pki.IssueLeaf(ca, pki.LeafRequest{CommonName: "injector", Hosts: Hosts(), Validity: 23 * time.Hour}, now)
	if err != nil {
		return nil, err
	}
	f := &Files{folder: folder, CA: ca.CertPEM, Roots: x509.NewCertPool()}
	f.Roots.AppendCertsFromPEM(ca.CertPEM)
	for name, data := range map[string][]byte{
		"config": setup.Sources.Inject.Data, "values": setup.Sources.Values.Data, "mesh": setup.Sources.Mesh.Data,
		"cert-chain.pem": leaf.CertPEM, "key.pem": leaf.KeyPEM, "root-cert.pem": ca.CertPEM,
	} {
		if len(data) == 0 {
			continue // there is no such file, which is allowed of some
		}
		if err := os.WriteFile(f.path(name), data, 0o600); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Files) path(name string) string { return filepath.Join(f.folder, name) }

// Server is a running one.
type Server struct {
	// Webhook and Monitoring are their ports.
	Webhook, Monitoring string
	// Ready is how long it took from the start of the process to 'ready'.
	Ready time.Duration

	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	last []string // lines of its log
	err  error
}

// Start starts the injector and waits until it is ready, as a kubelet finds out,
// but more often. More flags come behind those that name the files.
func Start(ctx context.Context, program string, f *Files, more ...string) (*Server, error) {
	begin := time.Now()
	s, err := launch(ctx, program, []string{"webhook listens", "monitoring listens"}, append([]string{
		"--injectConfig=" + f.path("config"), "--injectValues=" + f.path("values"), "--meshConfig=" + f.path("mesh"),
		"--tlsCertFile=" + f.path("cert-chain.pem"), "--tlsKeyFile=" + f.path("key.pem"), "--caCertFile=" + f.path("root-cert.pem"),
		"--port=0", "--monitoringPort=0", "--reconcileWebhookConfig=false", "--nativeSidecars=on", "--log-format=json",
	}, more...))
	if err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx); err != nil {
		_ = s.Stop()
		return nil, err
	}
	s.Ready = time.Since(begin)
	return s, nil
}

// Command starts any program that logs as the injector does where its webhook
// listens, and waits until it does.
func Command(ctx context.Context, program string, args ...string) (*Server, error) {
	return launch(ctx, program, []string{"webhook listens"}, args)
}

func launch(ctx context.Context, program string, messages, args []string) (*Server, error) {
	s := &Server{cmd: exec.Command(program, args...), done: make(chan struct{})}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	ports := make(chan map[string]string, 1)
	go s.follow(stderr, messages, ports)
	select {
	case p := <-ports:
		s.Webhook, s.Monitoring = p["webhook listens"], p["monitoring listens"]
		return s, nil
	case <-s.done:
		return nil, s.failure("did not start")
	case <-ctx.Done():
		_ = s.Stop()
		return nil, ctx.Err()
	}
}

// follow reads the log to its end, finds the ports in it that the messages tell,
// and keeps the last lines.
func (s *Server) follow(log io.Reader, messages []string, ports chan<- map[string]string) {
	found := map[string]string{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if len(found) < len(messages) {
			var entry struct{ Msg, Address string }
			_ = json.Unmarshal(lines.Bytes(), &entry) // what is not JSON tells no port
			if slices.Contains(messages, entry.Msg) {
				_, found[entry.Msg], _ = net.SplitHostPort(entry.Address)
				if len(found) == len(messages) {
					ports <- found
				}
			}
		}
		s.mu.Lock()
		if s.last = append(s.last, lines.Text()); len(s.last) > 5 {
			s.last = s.last[1:]
		}
		s.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, log) // a line too long must not block the server
	s.err = s.cmd.Wait()
	close(s.done)
}

func (s *Server) waitReady(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+s.Monitoring+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-s.done:
			return s.failure("ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready in time: %w", ctx.Err())
		}
	}
}

func (s *Server) failure(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("%s %s: %v: %s", s.cmd.Path, what, s.err, s.last)
}

// PID of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop asks the server to end and waits until it has. It says how it ended when
// that was not well.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		_ = s.cmd.Process.Kill()
		<-s.done
		return s.failure("had to be killed")
	}
	if s.err != nil {
		return s.failure("ended badly")
	}
	return nil
}
