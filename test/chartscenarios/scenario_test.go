//go:build e2e

package chartscenarios

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// scenarioLimit ends a scenario that hangs; the longest takes a quarter of it.
const scenarioLimit = 3 * time.Minute

// scenario is one story on the cluster. It has a namespace for the release, on
// which Pod Security `restricted` is enforced, and one for applications.
type scenario struct {
	*testing.T
	ctx             context.Context
	name            string
	namespace, apps string
	release         string
	helm            func(ctx context.Context, args ...string) (string, error)
	// note is said behind the figure of the scenario.
	note string
}

type step struct {
	name string
	do   func(*scenario)
}

// TestScenarios runs them one after the other: webhook configurations have no
// namespace, and the classic names are wanted by most.
func TestScenarios(t *testing.T) {
	steps := []step{
		{"install-default", installDefault},
		{"render-twice", renderTwice},
		{"upgrade-template", upgradeTemplate},
		{"upgrade-template-helm4", withHelm4(upgradeTemplate)},
		{"upgrade-files", upgradeFiles},
		{"upgrade-replaces-injector", upgradeReplacesInjector},
		{"upgrade-previous", upgradePrevious},
		{"upgrade-helm3-to-helm4", upgradeHelm3ToHelm4},
		{"upgrade-bad-stopped", upgradeBadStopped},
		{"upgrade-bad-stopped-helm4", withHelm4(upgradeBadStopped)},
		{"upgrade-bad-refused", upgradeBadRefused},
		{"upgrade-bad-refused-helm4", withHelm4(upgradeBadRefused)},
		{"upgrade-next-version", upgradeNextVersion},
		{"rollback", rollback},
		{"force", force},
		{"force-helm4", withHelm4(forceHelm4)},
		{"uninstall", uninstall},
		{"uninstall-helm4", withHelm4(uninstall)},
		{"two-releases", twoReleases},
		{"two-revisions", twoRevisions},
		{"after-failed", afterFailed},
		{"after-lost-record", afterLostRecord},
		{"template-apply", templateApply},
		{"examples", examples},
	}
	for _, file := range valuesFiles(t) {
		if file == defaultValues {
			continue // install-default
		}
		steps = append(steps, step{"install-" + strings.TrimSuffix(file, "-values.yaml"), installWith(file)})
	}
	ran, failed := 0, 0
	for _, s := range steps {
		started := false
		ok := t.Run(s.name, func(t *testing.T) {
			started = true
			runScenario(t, s)
		})
		if started {
			ran++
		}
		if !ok {
			failed++
		}
	}
	lab.Figure(t, fmt.Sprintf("chart: scenarios %d, failed %d", ran, failed))
}

func runScenario(t *testing.T, s step) {
	ctx, cancel := context.WithTimeout(t.Context(), scenarioLimit)
	defer cancel()
	sc := &scenario{
		T: t, ctx: ctx, name: s.name, helm: cluster.Helm,
		release: "istio-sidecar-injector", namespace: "chart-" + s.name, apps: "apps-" + s.name,
	}
	start := time.Now()
	defer func() {
		verdict := "ok"
		if t.Failed() {
			verdict = "FAILED"
			sc.diagnose()
		}
		lab.Figure(t, fmt.Sprintf("chart: %s %s %.1f s%s", s.name, verdict, time.Since(start).Seconds(), sc.note))
		sc.cleanUp()
	}()
	sc.must(sc.restrictedNamespace(sc.namespace))
	sc.must(cluster.Namespace(ctx, sc.apps, map[string]string{"istio-injection": "enabled"}))
	s.do(sc)
}

func (s *scenario) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scenario) restrictedNamespace(name string) error {
	return cluster.Namespace(s.ctx, name, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
}

// Helm verbs. All of them end, and say the namespace and where the images are.

func (s *scenario) helmRun(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, stepLimit+10*time.Second)
	defer cancel()
	start := time.Now()
	out, err := s.helm(ctx, args...)
	s.Logf("helm %s %s: %.1f s", args[0], args[1], time.Since(start).Seconds())
	return out, err
}

// imageArgs are where the injector's image is, and the one of the demo's templates.
func imageArgs() []string {
	return []string{"--set", "image.hub=" + hub, "--set", "image.tag=" + tag, "--set", "templateValues.image=" + hub + "/demo:" + tag}
}

func (s *scenario) install(more ...string) {
	s.Helper()
	s.must(s.tryInstall(s.release, s.namespace, cluster.Chart(), more...))
}

func (s *scenario) tryInstall(release, namespace, chart string, more ...string) error {
	args := append([]string{"install", release, chart, "--namespace", namespace, "--wait", "--timeout", stepLimit.String()}, imageArgs()...)
	_, err := s.helmRun(append(args, more...)...)
	return err
}

func (s *scenario) upgrade(more ...string) {
	s.Helper()
	s.must(s.tryUpgrade(more...))
}

func (s *scenario) tryUpgrade(more ...string) error {
	args := append([]string{"upgrade", s.release, cluster.Chart(), "--namespace", s.namespace, "--wait", "--timeout", stepLimit.String()}, imageArgs()...)
	_, err := s.helmRun(append(args, more...)...)
	return err
}

func (s *scenario) uninstallWait() {
	s.Helper()
	_, err := s.helmRun("uninstall", s.release, "--namespace", s.namespace, "--wait", "--timeout", stepLimit.String())
	s.must(err)
}

func (s *scenario) helmTest() {
	s.Helper()
	_, err := s.helmRun("test", s.release, "--namespace", s.namespace, "--timeout", stepLimit.String())
	s.must(err)
}

// greeting is the argument that installs the demo's template that says so.
func (s *scenario) greeting(which string) []string {
	file := map[string]string{"one": "sidecar-1.yaml", "two": "sidecar-2.yaml"}[which]
	return []string{"--set-file", "templates.sidecar=" + cluster.Root + "/scripts/demo/" + file}
}

// Pods.

const statusAnnotation = "sidecar.istio.io/status"

// injected is nil for a pod that an injector has worked on and that has a
// container more than it was asked to have.
func injected(pod *corev1.Pod) error {
	if pod.Annotations[statusAnnotation] == "" || len(lab.ContainerNames(pod)) < 2 {
		return fmt.Errorf("pod %s/%s came out of admission without a sidecar: containers %v, annotations %v",
			pod.Namespace, pod.Name, lab.ContainerNames(pod), pod.Annotations)
	}
	return nil
}

func greets(pod *corev1.Pod, want string) error {
	if got := lab.SidecarEnv(pod, "GREETING"); got != want {
		return fmt.Errorf("pod %s/%s has a sidecar with greeting %q, want %q", pod.Namespace, pod.Name, got, want)
	}
	return nil
}

// create has one try.
func (s *scenario) create(namespace, name string, labels map[string]string) *corev1.Pod {
	s.Helper()
	pod, err := cluster.Client.CoreV1().Pods(namespace).Create(s.ctx, lab.UnschedulablePod(namespace, name, labels), metav1.CreateOptions{})
	s.must(err)
	return pod
}

// inForce waits until new pods of the applications get the greeting.
func (s *scenario) inForce(greeting string) {
	s.Helper()
	s.must(cluster.InForce(s.ctx, lab.UnschedulablePod(s.apps, "probe", nil), func(pod *corev1.Pod) bool {
		return greets(pod, greeting) == nil
	}))
}

// underLoad lets two clients create pods without a pause while change runs, and
// fails the scenario when one was refused or came out as accept does not want it.
func (s *scenario) underLoad(accept func(*corev1.Pod) error, change func()) {
	s.Helper()
	load := s.startLoad(accept)
	change()
	counts := load.Stop()
	s.note += fmt.Sprintf(", pods created meanwhile %d, failed admissions %d", counts.Created, counts.Failed)
	if counts.Failed != 0 || counts.Created == 0 {
		s.Errorf("created %d, failed %d: %s", counts.Created, counts.Failed, strings.Join(counts.Errors, "; "))
	}
}

func (s *scenario) startLoad(accept func(*corev1.Pod) error) *lab.Load {
	return cluster.StartLoad(s.ctx, 2, func(client, n int) *corev1.Pod {
		return lab.UnschedulablePod(s.apps, fmt.Sprintf("load-%d-%d", client, n), nil)
	}, accept)
}
