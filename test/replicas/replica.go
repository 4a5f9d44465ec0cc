//go:build integration

package replicas

import (
	"context"
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
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// Replica is one server process with its files and its endpoint.
type Replica struct {
	Name string
	// Address is where it serves, host and port.
	Address string

	site       *Site
	monitoring int
	port       int
	log        string
	process    *exec.Cmd
	ended      chan struct{}
}

// Start does what a pod does: run the init binary, start the server, and become an
// endpoint of the Service when it is ready.
func (s *Site) Start(ctx context.Context, name string) (*Replica, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	mode := "bootstrap"
	if s.byJob {
		mode = "wait"
	}
	if out, err := s.bootstrap(ctx, s.kubeconfig, "--mode", mode, "--out", dir); err != nil {
		return nil, fmt.Errorf("cert-bootstrap: %w: %s", err, Tail(out, 5))
	}
	r := &Replica{Name: name, site: s, log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	var err error
	if r.port, err = freePort(s.Host); err != nil {
		return nil, err
	}
	if r.monitoring, err = freePort(""); err != nil {
		return nil, err
	}
	r.Address = net.JoinHostPort(s.Host, strconv.Itoa(r.port))
	if err := r.launch(dir); err != nil {
		return nil, err
	}
	if err := until(ctx, name+" ready", r.Ready); err != nil {
		return nil, fmt.Errorf("%w: %s", err, Tail(r.Log(), 10))
	}
	return r, r.publish(ctx)
}

// RunJob runs what the chart's CronJob runs, once, and returns what it said.
func (s *Site) RunJob(ctx context.Context) (string, error) {
	return s.bootstrap(ctx, s.jobKubeconfig, "--mode", "renew", "--out", "")
}

// bootstrap runs the init binary and returns what it said.
func (s *Site) bootstrap(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	all := append([]string{"--kubeconfig", kubeconfig, "--namespace", Namespace, "--secret", Secret, "--service", Service, "--validatingWebhookConfigName", Config}, s.Flags...)
	out, err := exec.CommandContext(ctx, filepath.Join(s.dir, "cert-bootstrap"), append(all, args...)...).CombinedOutput()
	return string(out), err
}

func (r *Replica) launch(dir string) error {
	s := r.site
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has a descriptor of its own
	args := append([]string{
		"--kubeconfig", s.kubeconfig, "--certSecret", Namespace + "/" + Secret, "--service", Service,
		"--validatingWebhookConfigName", Config, "--rotateCertificates=" + strconv.FormatBool(!s.byJob),
		"--port", strconv.Itoa(r.port), "--monitoringPort", strconv.Itoa(r.monitoring),
		"--injectConfig", filepath.Join(s.dir, "config"), "--injectValues", filepath.Join(s.dir, "values"), "--meshConfig", filepath.Join(s.dir, "mesh"),
		"--tlsCertFile", filepath.Join(dir, "cert-chain.pem"), "--tlsKeyFile", filepath.Join(dir, "key.pem"), "--caCertFile", filepath.Join(dir, "root-cert.pem"),
		"--nativeSidecars", "off", "--log_output_level", "info",
	}, s.Flags...)
	args = append(args, s.ServerFlags...)
	r.process = exec.Command(filepath.Join(s.dir, "sidecar-injector"), args...)
	r.process.Stdout, r.process.Stderr = log, log
	if err := r.process.Start(); err != nil {
		return err
	}
	go func() {
		_ = r.process.Wait() // how it ended is in its log
		close(r.ended)
	}()
	return nil
}

// Ready is nil when the server says so, else what it says.
func (r *Replica) Ready() error {
	body, status, err := r.monitor("/readyz")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return errors.New(strings.TrimSpace(body))
	}
	return nil
}

// Metrics is the text of its metrics.
func (r *Replica) Metrics() (string, error) {
	body, _, err := r.monitor("/metrics")
	return body, err
}

func (r *Replica) monitor(path string) (body string, status int, err error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", r.monitoring, path))
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), resp.StatusCode, err
}

// Log is what it wrote so far.
func (r *Replica) Log() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (r *Replica) publish(ctx context.Context) error {
	_, err := r.site.Lab.Client.DiscoveryV1().EndpointSlices(Namespace).Create(ctx, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: r.Name, Labels: map[string]string{discoveryv1.LabelServiceName: Service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{r.site.Host}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}}},
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("https"), Port: ptr.To(int32(r.port)), Protocol: ptr.To(corev1.ProtocolTCP)}},
	}, metav1.CreateOptions{})
	return err
}

// Withdraw takes the endpoint away: the API server calls the others.
func (r *Replica) Withdraw(ctx context.Context) error {
	return r.site.Lab.Client.DiscoveryV1().EndpointSlices(Namespace).Delete(ctx, r.Name, metav1.DeleteOptions{})
}

// Kill ends the process at once, in the middle of whatever it does.
func (r *Replica) Kill() {
	_ = r.process.Process.Kill() // it may have ended already
	<-r.ended
}

// freePort finds a port that nobody listens on. Somebody may take it before the
// server does; then the server says so and the test fails with that.
func freePort(host string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Admits waits until the API server lets a pod in with its sidecar.
func (s *Site) Admits(ctx context.Context) error {
	return until(ctx, "a pod is let in", func() error { return s.TryPod(ctx) })
}

// TryPod creates one pod, without keeping it.
func (s *Site) TryPod(ctx context.Context) error {
	pod := Pod(0, 0)
	pod.Name = ""
	pod.GenerateName = "try-"
	got, err := s.Lab.Client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	return Injected(got)
}
