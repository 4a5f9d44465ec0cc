//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

const (
	// What the product promises: `helm install --wait` comes back within this,
	// and only when injection works.
	installLimit = 20 * time.Second
	// A changed template is in force this long after `helm upgrade` at the latest.
	inForceLimit = 2 * time.Second

	loadClients = 2
)

func helmArgs(verb, template string, more ...string) []string {
	return append([]string{
		verb, release, cluster.Chart(), "--namespace", namespace, "--create-namespace", "--wait", "--timeout", "2m",
		"--set", "image.hub=" + hub, "--set", "image.tag=" + tag, "--set", "templateValues.image=" + hub + "/demo:" + tag,
		"--set-file", "templates.sidecar=" + filepath.Join(cluster.Root, "scripts", "demo", template),
	}, more...)
}

// TestThePathOfEveryUser is one story, so its steps share a cluster and their
// order, and the first one that fails ends it.
func TestThePathOfEveryUser(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	s := &story{T: t, ctx: ctx}
	if err := cluster.Namespace(ctx, apps, map[string]string{"istio-injection": "enabled"}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"install", s.install},
		{"the first pod after install is injected", s.firstPod},
		{"a workload runs behind its sidecar", s.workload},
		{"an upgrade changes the template while pods are created", s.upgrade},
		{"new pods run the new sidecar", s.newPod},
		{"the injector itself is replaced while pods are created", s.replaceInjector},
		{"a template that does not parse changes nothing", s.badTemplate},
		{"helm test", s.helmTest},
		{"uninstall leaves nothing", s.uninstall},
	} {
		start := time.Now()
		step.do()
		t.Logf("%-60s %5.1f s", step.name, time.Since(start).Seconds())
	}
	s.report()
}

const apps = "e2e-apps"

type story struct {
	*testing.T
	ctx                        context.Context
	installed, ready, upgraded time.Duration
	failed                     int64
}

func (s *story) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *story) install() {
	start := time.Now()
	_, err := cluster.Helm(s.ctx, helmArgs("install", "sidecar-1.yaml")...)
	s.must(err)
	s.installed = time.Since(start)
	if s.installed > installLimit {
		s.Errorf("helm install --wait took %s, more than %s", s.installed, installLimit)
	}
}

// firstPod has one try: an install that came back too early fails here.
func (s *story) firstPod() {
	pod, err := cluster.Client.CoreV1().Pods(apps).Create(s.ctx, lab.UnschedulablePod(apps, "first", nil), metav1.CreateOptions{})
	s.must(err)
	s.must(hasSidecar(pod))
	s.must(cluster.Client.CoreV1().Pods(apps).Delete(s.ctx, "first", metav1.DeleteOptions{}))
}

func hasSidecar(pod *corev1.Pod) error {
	if lab.Sidecar(pod) == nil {
		return fmt.Errorf("pod %s/%s came out of admission without a sidecar: %v", pod.Namespace, pod.Name, lab.ContainerNames(pod))
	}
	return nil
}

func (s *story) workload() {
	start := time.Now()
	s.must(cluster.Deployment(s.ctx, lab.Hello(apps, "hello", hub+"/demo:"+tag)))
	s.answers("one")
	s.ready = time.Since(start)
}

// answers waits for a ready pod whose sidecar has the greeting, and asks the
// application through the sidecar.
func (s *story) answers(greeting string) {
	s.Helper()
	pod, err := cluster.ReadyPod(s.ctx, apps, "app=hello", func(pod *corev1.Pod) bool {
		return lab.SidecarEnv(pod, "GREETING") == greeting
	})
	s.must(err)
	header, body, err := cluster.Request(s.ctx, pod, lab.SidecarPort, "/")
	s.must(err)
	if header.Get("X-Sidecar") != greeting || body != "hello from "+pod.Name+"\n" {
		s.Fatalf("answer %q with X-Sidecar %q, want it from %s with %q", body, header.Get("X-Sidecar"), pod.Name, greeting)
	}
}

// underLoad runs a change while clients create pods, and fails the story when
// a pod was refused or came out bare.
func (s *story) underLoad(change func()) {
	load := cluster.StartLoad(s.ctx, loadClients, func(client, n int) *corev1.Pod {
		return lab.UnschedulablePod(apps, fmt.Sprintf("load-%d-%d", client, n), nil)
	}, hasSidecar)
	change()
	counts := load.Stop()
	s.failed += counts.Failed
	s.Logf("pods created meanwhile: %d, failed %d", counts.Created, counts.Failed)
	if counts.Failed != 0 || counts.Created == 0 {
		s.Errorf("created %d, failed %d: %s", counts.Created, counts.Failed, strings.Join(counts.Errors, "; "))
	}
}

func (s *story) upgrade() {
	start := time.Now()
	s.underLoad(func() {
		_, err := cluster.Helm(s.ctx, helmArgs("upgrade", "sidecar-2.yaml")...)
		s.must(err)
		returned := time.Now()
		s.must(cluster.InForce(s.ctx, lab.UnschedulablePod(apps, "probe", nil), func(pod *corev1.Pod) bool {
			return lab.SidecarEnv(pod, "GREETING") == "two"
		}))
		s.upgraded = time.Since(start)
		if late := time.Since(returned); late > inForceLimit {
			s.Errorf("the new template was in force %s after helm upgrade, more than %s", late, inForceLimit)
		}
	})
}

func (s *story) newPod() {
	s.must(cluster.Restart(s.ctx, apps, "hello", time.Now()))
	s.answers("two")
}

func (s *story) replaceInjector() {
	s.underLoad(func() {
		s.must(cluster.Restart(s.ctx, namespace, release, time.Now()))
		s.must(cluster.RolledOut(s.ctx, namespace, release))
	})
}

func (s *story) badTemplate() {
	bad := filepath.Join(s.TempDir(), "bad.yaml")
	s.must(os.WriteFile(bad, []byte("spec:\n  containers:\n  - name: {{ .Nothing \n"), 0o600))
	args := helmArgs("upgrade", "sidecar-2.yaml", "--set-file", "templates.sidecar="+bad)
	s.underLoad(func() {
		_, err := cluster.Helm(s.ctx, args...)
		const reason = `configuration.sidecar-injector.istio.io" denied the request`
		if err == nil || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), "is not closed by }}") {
			s.Errorf("helm upgrade with a template that does not parse: %v, want it refused with the reason", err)
		}
	})
	// What Helm wrote before it was refused is taken back.
	_, err := cluster.Helm(s.ctx, "rollback", release, "--namespace", namespace, "--wait", "--timeout", "2m")
	s.must(err)
	s.newPod()
}

func (s *story) helmTest() {
	_, err := cluster.Helm(s.ctx, "test", release, "--namespace", namespace, "--timeout", "1m")
	s.must(err)
}

func (s *story) uninstall() {
	_, err := cluster.Helm(s.ctx, "uninstall", release, "--namespace", namespace, "--wait", "--timeout", "1m")
	s.must(err)
	left, err := cluster.Owned(s.ctx, release)
	s.must(err)
	if len(left) != 0 {
		s.Errorf("after uninstall there is still %s", strings.Join(left, ", "))
	}
	pod, err := cluster.Client.CoreV1().Pods(apps).Create(s.ctx, lab.UnschedulablePod(apps, "bare", nil), metav1.CreateOptions{})
	s.must(err)
	if lab.Sidecar(pod) != nil {
		s.Error("a pod got a sidecar after uninstall")
	}
}

func (s *story) report() {
	lab.Figure(s, fmt.Sprintf("e2e: install %.1f s, pod injected and ready %.1f s, upgrade %.1f s, failed admissions %d",
		s.installed.Seconds(), s.ready.Seconds(), s.upgraded.Seconds(), s.failed))
}
