//go:build e2e

package chartscenarios

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// valuesFiles are the chart's ci values files: each must install.
func valuesFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(cluster.Chart(), "ci", "*-values.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no ci values files in %s (%v)", cluster.Chart(), err)
	}
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names
}

// defaultValues is the ci values file that sets nothing.
const defaultValues = "default-values.yaml"

// installDefault is what a newcomer does: one command, and the first pod after
// it has its sidecar.
func installDefault(s *scenario) {
	s.install("--values", filepath.Join(cluster.Chart(), "ci", defaultValues))
	s.must(injected(s.create(s.apps, "first", nil)))
	s.helmTest()
	// Restricted is enforced, or the pods of the release prove nothing.
	_, err := cluster.Client.CoreV1().Pods(s.namespace).Create(s.ctx, lab.UnschedulablePod(s.namespace, "privileged", nil), metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "restricted") {
		s.Errorf("a pod that is not restricted was answered with %v in the namespace of the release, want a refusal by Pod Security", err)
	}
}

// installWith is for values that a user sets: the first pod after it is injected,
// and removing it leaves nothing.
func installWith(file string) func(*scenario) {
	return func(s *scenario) {
		path := filepath.Join(cluster.Chart(), "ci", file)
		if revision := revisionOf(s, path); revision != "" {
			s.must(cluster.Namespace(s.ctx, s.apps, map[string]string{"istio.io/rev": revision}))
		}
		s.install("--values", path)
		s.must(injected(s.create(s.apps, "first", nil)))
		// helm test with each of these is what ct install does.
		_, err := s.helmRun("uninstall", s.release, "--namespace", s.namespace)
		s.must(err)
		s.leavesNothingOwned()
	}
}

func revisionOf(s *scenario, path string) string {
	text, err := os.ReadFile(path)
	s.must(err)
	var values struct {
		Revision string `json:"revision"`
	}
	s.must(yaml.Unmarshal(text, &values))
	return values.Revision
}

func (s *scenario) leavesNothingOwned() {
	s.Helper()
	left, err := cluster.Owned(s.ctx, s.release)
	s.must(err)
	// Pods of the Deployment go a moment after it.
	left = slices.DeleteFunc(left, func(object string) bool { return strings.HasPrefix(object, "pods ") })
	if len(left) != 0 {
		s.Errorf("after uninstall there is still %s", strings.Join(left, ", "))
	}
}

// renderTwice holds the bytes of two renderings against each other, and those of
// both Helms, for every values file but the one that makes a certificate itself.
func renderTwice(s *scenario) {
	for _, file := range valuesFiles(s.T) {
		if file == "existing-secret-values.yaml" {
			continue
		}
		args := []string{
			"template", s.release, cluster.Chart(), "--namespace", s.namespace,
			"--values", filepath.Join(cluster.Chart(), "ci", file),
		}
		first, err := cluster.Helm(s.ctx, args...)
		s.must(err)
		second, err := cluster.Helm(s.ctx, args...)
		s.must(err)
		if first != second || !strings.Contains(first, "kind: Deployment") {
			s.Errorf("%s: two renderings differ, or hold no Deployment", file)
		}
		fourth, err := cluster.Helm4(s.ctx, args...)
		s.must(err)
		again, err := cluster.Helm4(s.ctx, args...)
		s.must(err)
		if fourth != again || !strings.Contains(fourth, "kind: Deployment") {
			s.Errorf("%s: two renderings of Helm 4 differ, or hold no Deployment", file)
		}
	}
}

// examples upgrades one release through the values files that the chart ships for
// other sidecars; the API server must take a pod with each.
func examples(s *scenario) {
	paths, err := filepath.Glob(filepath.Join(cluster.Chart(), "examples", "*.yaml"))
	s.must(err)
	if len(paths) == 0 {
		s.Fatal("no examples")
	}
	s.install()
	last := lab.ContainerNames(s.create(s.apps, "builtin", map[string]string{"sidecar.istio.io/inject": "true"}))
	for _, path := range paths {
		s.upgrade("--reset-values", "--values", path)
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		asks := lab.UnschedulablePod(s.apps, name, map[string]string{"sidecar.istio.io/inject": "true"})
		s.must(cluster.InForce(s.ctx, asks, func(pod *corev1.Pod) bool {
			return injected(pod) == nil && !slices.Equal(lab.ContainerNames(pod), last)
		}))
		pod, err := cluster.Client.CoreV1().Pods(s.apps).Create(s.ctx, asks, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		s.must(err)
		s.must(injected(pod))
		last = lab.ContainerNames(pod)
		s.Logf("%s: %v", name, last)
	}
}
