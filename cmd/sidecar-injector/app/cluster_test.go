package app

import (
	"net/http"
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
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, "enabled", "sometimes")})
	kubeconfig := s.path("kubeconfig")
	must(t, os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`), 0o600))
	i := start(t, s, "--kubeconfig="+kubeconfig, "--injectConfigMap=test/inject")
	eventually(t, "the reason on /readyz", func() bool {
		code, body := i.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "there is no good configuration: test/inject:config:1:9: policy")
	})
	s.publish("inject", map[string]string{"config": goodConfig, "values": goodValues})
	i.waitReady()
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q", got)
	}
}

// TestRecordMountedAndAPIServerAway starts with a configuration that is no good, an API
// server that does not answer, and the mounted record.
func TestRecordMountedAndAPIServerAway(t *testing.T) {
	s := newSite(t)
	s.publish("last-good", recordFiles(t, goodConfig, `{"mark": "recorded"}`))
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, "enabled", "sometimes")})
	kubeconfig := s.path("kubeconfig")
	must(t, os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`), 0o600))
	i := start(t, s, "--kubeconfig="+kubeconfig, "--injectConfigMap=test/inject", "--meshConfigMap=test/mesh",
		"--lastGoodConfigMap=test/record", "--lastGoodDir="+s.path("last-good"))
	i.waitReady()
	if got := i.mark(); got != "recorded" {
		t.Errorf("marked %q", got)
	}
	_, body := i.get("/readyz")
	for _, want := range []string{"serving the last good configuration, of 2026-01-02T03:04:05Z, as it was recorded", "test/inject:config:1:9: policy"} {
		if !strings.Contains(body, want) {
			t.Errorf("/readyz does not say %q:\n%s", want, body)
		}
	}
	s.publish("inject", map[string]string{"config": goodConfig, "values": `{"mark": "mended"}`})
	eventually(t, "the mended one in force", func() bool { return i.mark() == "mended" })
}
