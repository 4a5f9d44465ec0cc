//go:build e2e

package chartscenarios

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// twoReleases installs a second release in another namespace, for namespaces that
// it selects itself.
func twoReleases(s *scenario) {
	two := s.namespace + "-two"
	s.must(s.restrictedNamespace(two))
	s.must(cluster.Namespace(s.ctx, s.apps+"-two", map[string]string{"team": "two"}))
	s.install(s.greeting("one")...)
	s.must(s.tryInstall("two", two, cluster.Chart(), append(s.greeting("two"), "--set", "webhook.namespaceSelector.matchLabels.team=two")...))

	s.must(greets(s.create(s.apps, "first", nil), "one"))
	s.must(greets(s.create(s.apps+"-two", "first", nil), "two"))

	// The one goes, the other stays.
	s.uninstallWait()
	s.bare(s.create(s.apps, "second", nil))
	s.must(greets(s.create(s.apps+"-two", "second", nil), "two"))
}

// twoRevisions moves a namespace from one injector to the next, in one namespace
// and under load, as an upgrade by revision does.
func twoRevisions(s *scenario) {
	revision := func(name, greeting string) []string {
		return append(s.greeting(greeting), "--set", "revision="+name)
	}
	s.must(cluster.Namespace(s.ctx, s.apps, map[string]string{"istio.io/rev": "a"}))
	s.must(s.tryInstall("injector-a", s.namespace, cluster.Chart(), revision("a", "one")...))
	s.must(greets(s.create(s.apps, "first", nil), "one"))
	s.underLoad(injected, func() {
		s.must(s.tryInstall("injector-b", s.namespace, cluster.Chart(), revision("b", "two")...))
		s.must(greets(s.create(s.apps, "second", nil), "one"))
		s.must(cluster.Namespace(s.ctx, s.apps, map[string]string{"istio.io/rev": "b"}))
		s.must(cluster.InForce(s.ctx, lab.UnschedulablePod(s.apps, "probe", nil), func(pod *corev1.Pod) bool {
			return greets(pod, "two") == nil
		}))
		_, err := s.helmRun("uninstall", "injector-a", "--namespace", s.namespace, "--wait", "--timeout", stepLimit.String())
		s.must(err)
	})
	s.must(greets(s.create(s.apps, "third", nil), "two"))
}
