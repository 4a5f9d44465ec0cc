//go:build integration && linux

package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// injector is the real program, running in a control group with the chart's
// memory limit.
type injector struct {
	folder     string // its files
	files      *process.Files
	group      *group
	webhook    string // its ports
	monitoring string
	log        journal
	mounts     *mounts // nil: the configuration is never changed

	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// startInjector writes the configuration into a folder and starts the program on
// it. Flags given win over those of the same name that it would set.
func startInjector(ctx context.Context, program, folder string, setup engine.Setup, more ...string) (*injector, error) {
	files, err := process.Prepare(folder, setup, time.Now())
	if err != nil {
		return nil, err
	}
	g, err := newGroup(fmt.Sprintf("hostile-%d-%s", os.Getpid(), filepath.Base(folder)))
	if err != nil {
		return nil, err
	}
	path := func(name string) string { return filepath.Join(folder, name) }
	s := &injector{folder: folder, files: files, group: g, done: make(chan struct{})}
	s.cmd = g.command(program, append([]string{
		"--injectConfig=" + path("config"), "--injectValues=" + path("values"), "--meshConfig=" + path("mesh"),
		"--tlsCertFile=" + path("cert-chain.pem"), "--tlsKeyFile=" + path("key.pem"), "--caCertFile=" + path("root-cert.pem"),
		"--port=0", "--monitoringPort=0", "--reconcileWebhookConfig=false", "--nativeSidecars=on", "--log-format=json", "--shutdownDelay=0s",
	}, more...)...)
	// Whatever ends the test, the server does not stay.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, g.remove())
	}
	listening := make(chan struct{})
	go s.follow(stderr, listening)
	select {
	case <-listening:
	case <-s.done:
		return nil, errors.Join(fmt.Errorf("the server did not start: %w: %s", s.err, s.log.tail()), g.remove())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.stop())
	}
	return s, s.waitReady(ctx)
}

// follow keeps what the server logs until it ends.
func (s *injector) follow(stderr io.Reader, listening chan<- struct{}) {
	in := bufio.NewReader(stderr)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			s.log.add(line)
			if s.webhook == "" || s.monitoring == "" {
				var entry struct{ Msg, Address string }
				_ = json.Unmarshal(line, &entry) // what is not JSON tells no port
				_, port, _ := net.SplitHostPort(entry.Address)
				switch entry.Msg {
				case "webhook listens":
					s.webhook = port
				case "monitoring listens":
					s.monitoring = port
				}
				if s.webhook != "" && s.monitoring != "" {
					close(listening)
				}
			}
		}
		if err != nil {
			break
		}
	}
	if s.err = s.cmd.Wait(); s.err == nil {
		s.err = errors.New("it ended by itself")
	}
	close(s.done)
}

func (s *injector) waitReady(ctx context.Context) error {
	return until(ctx, 30*time.Second, "the server to be ready", func() error {
		select {
		case <-s.done:
			return fmt.Errorf("it ended: %w: %s", s.err, s.log.tail())
		default:
		}
		_, err := s.page(ctx, "127.0.0.1", "/readyz")
		return err
	})
}

// ended reports whether the process is no longer there.
func (s *injector) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// stop ends the process and its group.
func (s *injector) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(45 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
		return errors.Join(errors.New("the server did not end within 45 s of SIGTERM and was killed"), s.group.remove())
	}
	return s.group.remove()
}

// page reads a page of the monitoring port on a connection of its own, as a
// kubelet does.
func (s *injector) page(ctx context.Context, source, path string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: from(source), DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+s.monitoring+path, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s: %s", response.Status, cut(string(body)))
	}
	return string(body), err
}

// metrics are the values of series without labels, and sums of those with, by
// name.
func (s *injector) metrics(ctx context.Context) (map[string]float64, error) {
	page, err := s.page(ctx, scraperAddress, "/metrics")
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", line, err)
		}
		name, _, _ := strings.Cut(line[:at], "{")
		values[name] += v
	}
	return values, nil
}

// journal is what a server has logged: the length of its longest line, and its
// last lines.
type journal struct {
	mu      sync.Mutex
	longest int
	bytes   int
	last    []string
}

func (j *journal) add(line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.longest, j.bytes = max(j.longest, len(line)), j.bytes+len(line)
	if j.last = append(j.last, cut(string(line))); len(j.last) > 400 {
		j.last = j.last[200:]
	}
}

// forget starts measuring anew.
func (j *journal) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.longest, j.bytes = 0, 0
}

func (j *journal) size() (longest, bytes int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.longest, j.bytes
}

// tail is what was logged last at a level above information.
func (j *journal) tail() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var lines []string
	for _, l := range j.last {
		if !strings.Contains(l, `"level":"INFO"`) {
			lines = append(lines, strings.TrimSpace(l))
		}
	}
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// until waits for a condition, and says after the time what it lacked.
func until(ctx context.Context, most time.Duration, what string, is func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := is()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, err)
		case <-tick.C:
		}
	}
}

// cut shortens a text for a message.
func cut(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return s[:most] + fmt.Sprintf("... (%d bytes)", len(s))
}
