//go:build e2e

// Package e2e brings real clusters up and down:
//
//	go test -tags e2e -timeout 60m ./e2e
package e2e

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/pki"
)

func TestNode(t *testing.T) {
	c := newCluster(t, "e2e-node")
	archive := workload(t)
	for round := range 2 {
		t.Logf("round %d", round+1)
		c.run("up")
		r := c.status()
		if out := c.run("load-image", archive); !strings.Contains(out, "loaded "+workloadImage) {
			t.Errorf("load-image said %q, want the reference %s", out, workloadImage)
		}
		c.podsRun()
		c.webhookInPod()
		c.run("down")
		leaves(t, r)
	}
	c.run("down") // once more is no error
}

// podsRun runs a native sidecar and an init container with NET_ADMIN, and
// reaches them by name from a pod under the restricted policy.
func (c *cluster) podsRun() {
	c.t.Helper()
	c.mustApply(`
apiVersion: v1
kind: Namespace
metadata: {name: app}
---
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: app}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: app, labels: {app: server}}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - name: init
    image: ` + workloadImage + `
    args: [-mode=netadmin]
    securityContext: {runAsUser: 0, capabilities: {add: [NET_ADMIN]}}
  - name: sidecar
    image: ` + workloadImage + `
    restartPolicy: Always
    args: [-mode=serve, "-address=:9090"]
    startupProbe: {httpGet: {port: 9090, path: /}, periodSeconds: 1}
  containers:
  - name: main
    image: ` + workloadImage + `
    args: [-mode=serve]
    readinessProbe: {httpGet: {port: 8080, path: /}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: strict}
spec:
  restartPolicy: Never
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: get
    image: ` + workloadImage + `
    imagePullPolicy: Never
    args: [-mode=get, "-url=http://server.app.svc.cluster.local/"]
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`)
	c.kubectl("wait", "--for=condition=Ready", "-n", "app", "pod/server", "--timeout=60s")
	c.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "-n", "strict", "pod/client", "--timeout=60s")
	if out := c.kubectl("logs", "-n", "strict", "client"); !strings.Contains(out, "hello from server") {
		c.t.Errorf("pod client says %q, want what pod server answers", out)
	}
	if out := c.kubectl("exec", "-n", "app", "server", "-c", "main", "--", "/workload", "-mode=get", "-url=http://server.app/"); !strings.Contains(out, "hello from server") {
		c.t.Errorf("exec says %q, want what the Service answers to its own pod", out)
	}
}

// webhookInPod calls a webhook in a pod through its Service.
func (c *cluster) webhookInPod() {
	c.t.Helper()
	dir := c.t.TempDir()
	leaf := pki.Leaf{Authority: pki.Cluster, Name: "tls", CommonName: "webhook", DNSNames: []string{"hook.app.svc"}, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if err := pki.Create(dir, []pki.Leaf{leaf}, time.Now()); err != nil {
		c.t.Fatal(err)
	}
	c.kubectl("create", "secret", "tls", "hook", "-n", "app", "--cert", filepath.Join(dir, "tls.crt"), "--key", filepath.Join(dir, "tls.key"))
	c.mustApply(`
apiVersion: v1
kind: Service
metadata: {name: hook, namespace: app}
spec: {selector: {app: hook}, ports: [{port: 443, targetPort: 8443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: hook, namespace: app, labels: {app: hook}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: webhook
    image: ` + workloadImage + `
    args: [-mode=webhook, "-address=:8443"]
    readinessProbe: {tcpSocket: {port: 8443}, periodSeconds: 1}
    volumeMounts: [{name: tls, mountPath: /tls, readOnly: true}]
  volumes: [{name: tls, secret: {secretName: hook}}]
---
apiVersion: v1
kind: Namespace
metadata: {name: hooked}
`)
	c.kubectl("wait", "--for=condition=Ready", "-n", "app", "pod/hook", "--timeout=60s")
	c.mustApply(webhook("inpod", "hooked", `service: {name: hook, namespace: app}`, encode(c.t, filepath.Join(dir, "ca.crt"))))
	c.labelled("hooked")
}

func webhook(name, namespace, clientConfig, bundle string) string {
	return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: %[1]s}
webhooks:
- name: %[1]s.example.com
  clientConfig:
    %[3]s
    caBundle: %[4]s
  rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [configmaps]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[2]s}}
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 5
`, name, namespace, clientConfig, bundle)
}

// labelled waits until what is created in namespace gets the webhook's label.
func (c *cluster) labelled(namespace string) {
	c.t.Helper()
	tries := 0
	eventually(c.t, "webhook for namespace "+namespace, 30*time.Second, func() error {
		tries++
		name := fmt.Sprintf("probe-%d", tries)
		if out, err := c.try("kubectl", "create", "configmap", name, "-n", namespace); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		out := c.kubectl("get", "configmap", name, "-n", namespace, "-o", "jsonpath={.metadata.labels.webhook}")
		if out != "called" {
			return fmt.Errorf("label is %q, want %q", out, "called")
		}
		return nil
	})
}

func TestControlPlaneOnly(t *testing.T) {
	c := newCluster(t, "e2e-plane")
	c.run("up", "--control-plane-only")
	r := c.status()
	if r.HostAddress == "" || r.NodeAddress != "" {
		t.Errorf("host address is %q and node address %q, want only the first", r.HostAddress, r.NodeAddress)
	}
	bundle, port := c.hostWebhook(r.HostAddress)
	c.mustApply(`
apiVersion: v1
kind: Namespace
metadata: {name: byurl}
---
apiVersion: v1
kind: Namespace
metadata: {name: byservice}
---
apiVersion: v1
kind: Service
metadata: {name: hook, namespace: default}
spec: {ports: [{port: 443, targetPort: 8443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: hook, namespace: default, labels: {kubernetes.io/service-name: hook}}
addressType: IPv4
ports: [{port: ` + port + `, protocol: TCP}]
endpoints: [{addresses: [` + r.HostAddress + `], conditions: {ready: true}}]
`)
	c.mustApply(webhook("byurl", "byurl", "url: https://127.0.0.1:"+port+"/", bundle))
	c.mustApply(webhook("byservice", "byservice", "service: {name: hook, namespace: default}", bundle))
	c.labelled("byurl")
	c.labelled("byservice")
	c.policies()
	c.run("restart", "kube-apiserver")
	c.labelled("byurl")
	c.run("stop", "kube-scheduler")
	c.run("up", "--control-plane-only") // starts it again
	c.run("down")
	leaves(t, r)
}

// hostWebhook runs the webhook as a process of this machine.
func (c *cluster) hostWebhook(address string) (bundle, port string) {
	c.t.Helper()
	dir := c.t.TempDir()
	leaf := pki.Leaf{
		Authority: pki.Cluster, Name: "tls", CommonName: "webhook", DNSNames: []string{"hook.default.svc"},
		Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if err := pki.Create(dir, []pki.Leaf{leaf}, time.Now()); err != nil {
		c.t.Fatal(err)
	}
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		c.t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	program := filepath.Join(dir, "workload")
	goBuild(c.t, program, "./e2e/workload")
	cmd := exec.Command(program, "-mode=webhook", "-certs="+dir, "-address=:"+port)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return encode(c.t, filepath.Join(dir, "ca.crt")), port
}

// policies checks the admission that tests rely on.
func (c *cluster) policies() {
	c.t.Helper()
	c.mustApply(`
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: label}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [CREATE]}]
  reinvocationPolicy: Never
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: 'Object{metadata: Object.metadata{labels: {"webhook": "called"}}}'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: label}
spec: {policyName: label, matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: strict}}}}
`)
	c.labelled("strict")
	out, err := c.apply(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "strict"},
		"spec": {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": true}}]}}`)
	if err == nil || !strings.Contains(out, "violates PodSecurity") {
		c.t.Errorf("a privileged pod in a restricted namespace: %v, %q, want a refusal by PodSecurity", err, out)
	}
}

func TestSideBySide(t *testing.T) {
	first, second := newCluster(t, "e2e-first"), newCluster(t, "e2e-second")
	done := make(chan error, 1)
	go func() {
		out, err := first.try("up")
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		done <- err
	}()
	second.run("up", "--control-plane-only")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	a, b := first.status(), second.status()
	if a.Server == b.Server || a.Plan.Device == b.Plan.Device {
		t.Errorf("the clusters share %s or %s", a.Server, a.Plan.Device)
	}
	first.run("down")
	leaves(t, a)
	second.kubectl("get", "--raw", "/readyz")
	second.run("down")
	leaves(t, b)
}

func TestSupervisorKilled(t *testing.T) {
	c := newCluster(t, "e2e-killed")
	c.run("up")
	r := c.status()
	syscall.Kill(r.Supervisor.PID, syscall.SIGKILL)
	eventually(t, "status", 10*time.Second, func() error {
		if c.status().Up {
			return errors.New("cluster is up, want dead")
		}
		return nil
	})
	if out := c.run("up"); !strings.Contains(out, "cleaning up after it") {
		t.Errorf("up said %q, want that it cleans up", out)
	}
	c.run("down")
	leaves(t, r)
}

func TestComponentKilled(t *testing.T) {
	c := newCluster(t, "e2e-lost")
	c.run("up", "--control-plane-only")
	r := c.status()
	for _, component := range r.Components {
		if component.Name == "etcd" {
			syscall.Kill(component.HostPID, syscall.SIGKILL)
		}
	}
	eventually(t, "status", 10*time.Second, func() error {
		if out, err := c.try("status"); err == nil || !strings.Contains(out, "signal 9") {
			return fmt.Errorf("status says %v, %q, want that etcd was killed", err, out)
		}
		return nil
	})
	if out := c.run("up", "--control-plane-only"); !strings.Contains(out, "has lost its etcd") {
		t.Errorf("up said %q, want that etcd was lost", out)
	}
}

// TestStartCutShort ends the launcher in the middle of up, gently and not.
func TestStartCutShort(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			c := newCluster(t, "e2e-cut")
			c.run("build")
			cmd := c.command(context.Background(), "up")
			var said strings.Builder
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var r report
			eventually(t, "start", 30*time.Second, func() error {
				out, _ := c.command(context.Background(), "status").Output()
				if !strings.Contains(string(out), "kubelet") || !strings.Contains(string(out), "running") {
					return errors.New("no component runs yet")
				}
				r = c.status()
				return nil
			})
			cmd.Process.Signal(signal)
			cmd.Wait()
			if signal == syscall.SIGINT && !strings.Contains(said.String(), "interrupted") {
				t.Errorf("up said %q, want that it was interrupted", said.String())
			}
			eventually(t, "end of the supervisor", 15*time.Second, func() error {
				if running(r.Supervisor.PID) != "" {
					return errors.New("it still runs")
				}
				return nil
			})
			c.run("down")
			leaves(t, r)
		})
	}
}

func TestComponentFailsAtStart(t *testing.T) {
	c := newCluster(t, "e2e-fails")
	begin := time.Now()
	out, err := c.try("up", "--control-plane-only", "--apiserver-arg=--no-such-flag")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("up: %v, want exit status 1", err)
	}
	for _, want := range []string{"kube-apiserver ended by itself", "no-such-flag", "kube-apiserver.log"} {
		if !strings.Contains(out, want) {
			t.Errorf("up said %q, want %q in it", out, want)
		}
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("up took %s to fail", took)
	}
}

func TestStateFileDeleted(t *testing.T) {
	for _, test := range []struct {
		name string
		wait time.Duration // until down, after the file is gone
	}{{"before the supervisor notices", 0}, {"after it noticed", 10 * time.Second}} {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, "e2e-lost-file")
			c.run("up")
			r := c.status()
			if err := os.Remove(filepath.Join(r.Dir, "state.json")); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(test.wait); time.Now().Before(deadline) && running(r.Supervisor.PID) != ""; {
				time.Sleep(100 * time.Millisecond)
			}
			c.run("down")
			leaves(t, r)
		})
	}
}
