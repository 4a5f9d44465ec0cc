package app

import (
	"os"
	"strings"
	"testing"
)

// TestAPIServerAwayAtStart starts with an API server that does not answer: the
// mounts serve, and the log tells of it without end but not without limit.
func TestAPIServerAwayAtStart(t *testing.T) {
	s := newSite(t)
	kubeconfig := s.path("kubeconfig")
	must(t, os.WriteFile(kubeconfig, []byte(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: c}}]
current-context: c
users: [{name: c, user: {token: secret-token}}]
`), 0o600))
	i := start(t, s, "--kubeconfig="+kubeconfig, "--injectConfigMap=test/inject", "--meshConfigMap=test/mesh")
	i.waitReady()
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q", got)
	}
	s.publish("inject", map[string]string{"config": goodConfig, "values": `{"mark": "two"}`})
	eventually(t, "the changed mount in force while the API server is away", func() bool { return i.mark() == "two" })
	log := i.log.String()
	for _, what := range []string{"configmap test/inject", "configmap test/mesh", "nodes", "namespaces"} {
		if n := strings.Count(log, "cannot list and watch "+what); n != 1 {
			t.Errorf("%d lines about %s, want 1:\n%s", n, what, log)
		}
	}
	if strings.Contains(log, "secret-token") {
		t.Error("the log holds the token")
	}
	i.stop()
	if status := i.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestMountBadAndAPIServerAway has nothing good to start from.
func TestMountBadAndAPIServerAway(t *testing.T) {
	s := newSite(t)
	s.publish("inject", map[string]string{"config": "policy: sometimes"})
	kubeconfig := s.path("kubeconfig")
	must(t, os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`), 0o600))
	status, _, stderr := invoke(t, s.args("--kubeconfig="+kubeconfig, "--injectConfigMap=test/inject")...)
	if status != 1 || !strings.Contains(stderr, "sidecar-injector: "+s.path("inject", "config")+":1:9: policy") {
		t.Errorf("exit status %d:\n%s", status, stderr)
	}
}
