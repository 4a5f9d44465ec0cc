//go:build e2e

package chartscenarios

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// inForceLimit is what the chart promises: a changed template is in force this
// long after the upgrade at the latest.
const inForceLimit = 2 * time.Second

func withHelm4(do func(*scenario)) func(*scenario) {
	return func(s *scenario) {
		s.helm = cluster.Helm4
		do(s)
	}
}

// upgradeTemplate changes the template while pods are created. All of them are
// injected, new ones get the new template soon, and nobody touches certificates.
func upgradeTemplate(s *scenario) {
	s.install(s.greeting("one")...)
	s.must(greets(s.create(s.apps, "first", nil), "one"))
	before := s.trust()
	s.underLoad(injected, func() {
		s.upgrade(s.greeting("two")...)
		returned := time.Now()
		s.inForce("two")
		if late := time.Since(returned); late > inForceLimit {
			s.Errorf("the new template was in force %s after helm upgrade, more than %s", late, inForceLimit)
		}
	})
	s.survives(before)
}

// upgradeFiles does the same without rights on ConfigMaps. The kubelet looks at
// mounts about once a minute, and whenever a pod changes, which hurries it here.
func upgradeFiles(s *scenario) {
	files := []string{"--set", "configSource=files"}
	s.install(append(files, s.greeting("one")...)...)
	s.underLoad(injected, func() {
		s.upgrade(append(files, s.greeting("two")...)...)
		s.nudgeUntil(func() bool {
			pod, err := cluster.Client.CoreV1().Pods(s.apps).Create(s.ctx, lab.UnschedulablePod(s.apps, "probe", nil), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err == nil && greets(pod, "two") == nil
		})
	})
}

// nudgeUntil changes an annotation of the injector's pods, again and again, until
// the condition holds.
func (s *scenario) nudgeUntil(done func() bool) {
	s.Helper()
	err := wait.PollUntilContextTimeout(s.ctx, 500*time.Millisecond, stepLimit, true, func(context.Context) (bool, error) {
		if done() {
			return true, nil
		}
		pods, err := cluster.Client.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app=sidecarInjectorWebhook"})
		if err != nil {
			return false, nil
		}
		patch := []byte(`{"metadata":{"annotations":{"lab.example.com/nudge":"` + time.Now().Format(time.RFC3339Nano) + `"}}}`)
		for _, pod := range pods.Items {
			// A pod that is gone meanwhile needs no nudge.
			_, _ = cluster.Client.CoreV1().Pods(s.namespace).Patch(s.ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		}
		return false, nil
	})
	if err != nil {
		s.Fatalf("the mounted configuration did not come into force: %v", err)
	}
}

// upgradeReplacesInjector changes the pods of the injector itself.
func upgradeReplacesInjector(s *scenario) {
	s.install(s.greeting("one")...)
	before := s.trust()
	old := s.injectorPods()
	s.underLoad(injected, func() {
		s.upgrade(append(s.greeting("two"), "--set-string", "podAnnotations.example\\.com/turn=second")...)
		s.inForce("two")
		s.must(cluster.RolledOut(s.ctx, s.namespace, s.release))
	})
	for name := range s.injectorPods() {
		if old[name] {
			s.Errorf("pod %s is one of before the upgrade", name)
		}
	}
	s.survives(before)
}

func (s *scenario) injectorPods() map[string]bool {
	s.Helper()
	pods, err := cluster.Client.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app=sidecarInjectorWebhook"})
	s.must(err)
	names := map[string]bool{}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			names[pod.Name] = true
		}
	}
	return names
}

// upgradePrevious upgrades from the chart of the last release.
func upgradePrevious(s *scenario) {
	chart, which := previousChart(s)
	s.note = ", from " + which
	s.must(s.tryInstall(s.release, s.namespace, chart, s.greeting("one")...))
	s.must(greets(s.create(s.apps, "first", nil), "one"))
	before := s.trust()
	s.underLoad(injected, func() {
		s.upgrade(s.greeting("two")...)
		s.inForce("two")
		s.must(cluster.RolledOut(s.ctx, s.namespace, s.release))
	})
	s.survives(before)
}

// upgradeHelm3ToHelm4 hands the release over: what Helm 3 wrote as one client,
// Helm 4 applies on the server, where fields have owners.
func upgradeHelm3ToHelm4(s *scenario) {
	s.install(s.greeting("one")...)
	before := s.trust()
	s.helm = cluster.Helm4
	s.underLoad(injected, func() {
		s.upgrade(append(s.greeting("two"), "--server-side=true", "--force-conflicts")...)
		s.inForce("two")
	})
	s.survives(before)
}

// upgradeBadStopped has the chart check the configuration before anything changes.
func upgradeBadStopped(s *scenario) {
	validate := []string{"--set", "validate.enabled=true"}
	s.install(append(validate, s.greeting("one")...)...)
	bad := filepath.Join(s.TempDir(), "bad.yaml")
	s.must(os.WriteFile(bad, []byte("spec:\n  containers:\n  - name: {{ .Nothing \n"), 0o600))
	s.underLoad(injected, func() {
		if err := s.tryUpgrade(append(validate, "--set-file", "templates.sidecar="+bad)...); err == nil {
			s.Error("an upgrade to a template that does not parse went through")
		} else if !strings.Contains(err.Error(), "pre-upgrade") {
			s.Errorf("the upgrade was not stopped by its hook: %v", err)
		}
		s.validationFailed("template \"sidecar\"")
		s.inForce("one")
		// And nothing is in the way of the next good one.
		s.upgrade(append(validate, s.greeting("two")...)...)
		s.inForce("two")
	})
}

// validationFailed looks at what is left of a validation: the Job that Helm names, with
// the reason in its log, once, and nothing that may create pods.
func (s *scenario) validationFailed(reason string) {
	s.Helper()
	name := s.release + "-validate"
	_, err := cluster.Client.BatchV1().Jobs(s.namespace).Get(s.ctx, name, metav1.GetOptions{})
	s.must(err)
	pods, err := cluster.Client.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "job-name=" + name})
	s.must(err)
	if len(pods.Items) != 1 {
		s.Fatalf("%d pods of the Job, want one", len(pods.Items))
	}
	log, err := cluster.Client.CoreV1().Pods(s.namespace).GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(s.ctx)
	s.must(err)
	if strings.Count(string(log), reason) != 1 {
		s.Errorf("the Job's log does not say %s once:\n%s", reason, log)
	}
	if _, err := cluster.Client.RbacV1().RoleBindings(s.namespace).Get(s.ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("the right to create pods is still there: %v", err)
	}
	if _, err := cluster.Client.CoreV1().ServiceAccounts(s.namespace).Get(s.ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("the account of the Job is still there: %v", err)
	}
}

func rollback(s *scenario) {
	s.install(s.greeting("one")...)
	before := s.trust()
	s.underLoad(injected, func() {
		s.upgrade(append(s.greeting("two"), "--set-string", "podAnnotations.example\\.com/turn=second")...)
		s.inForce("two")
		_, err := s.helmRun("rollback", s.release, "1", "--namespace", s.namespace, "--wait", "--timeout", stepLimit.String())
		s.must(err)
		s.inForce("one")
	})
	s.survives(before)
}

// force replaces every object, which empties Secret and caBundle: the injector
// puts both right. Meanwhile API servers cannot trust it, so pods may be refused;
// what counts is how soon they are not.
func force(s *scenario) {
	s.install(s.greeting("one")...)
	before := s.trust()
	s.forced(before, append(s.greeting("two"), "--force")...)
}

func (s *scenario) forced(before trust, args ...string) {
	s.Helper()
	load := s.startLoad(injected)
	s.upgrade(args...)
	returned := time.Now()
	s.healed(before)
	s.inForce("two")
	s.note += ", right again " + time.Since(returned).Round(100*time.Millisecond).String() + " after helm"
	counts := load.Stop()
	if counts.Created == 0 {
		s.Error("no pod was created")
	}
	for _, err := range counts.Errors {
		// Refused is what failurePolicy Fail means; let in without sidecar is not.
		if strings.Contains(err, "without a sidecar") {
			s.Error(err)
		}
	}
	s.note += ", refused meanwhile " + strconv.FormatInt(counts.Failed, 10) + " of " + strconv.FormatInt(counts.Failed+counts.Created, 10)
	s.must(greets(s.create(s.apps, "afterwards", nil), "two"))
}

// forceHelm4 has two forces: one that takes fields over from their owners, which
// leaves alone what the chart does not render, and one that replaces.
func forceHelm4(s *scenario) {
	s.install(s.greeting("one")...)
	before := s.trust()
	s.underLoad(injected, func() {
		s.upgrade(append(s.greeting("two"), "--force-conflicts", "--set-string", "podAnnotations.example\\.com/turn=second")...)
		s.inForce("two")
	})
	s.survives(before)
	s.forced(before, append(s.greeting("two"), "--force-replace", "--server-side=false", "--set-string", "podAnnotations.example\\.com/turn=third")...)
}
