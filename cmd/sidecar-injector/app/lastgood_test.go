package app

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
)

// recordFiles is a record of a configuration as a mount shows it, written without the
// help of what writes it in a server.
func recordFiles(t *testing.T, config, values string) map[string]string {
	t.Helper()
	files := map[string]string{"hash": "h", "since": "2026-01-02T03:04:05Z", "version": "v0-before"}
	for key, text := range map[string]string{"config.gz": config, "values.gz": values, "mesh.gz": goodMesh} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write([]byte(text))
		must(t, err)
		must(t, w.Close())
		files[key] = b.String()
	}
	files["digest"] = lastgood.Documents{Config: []byte(config), Values: []byte(values), Mesh: []byte(goodMesh)}.Digest()
	return files
}

// failsOnEveryPod is a configuration that compiles and is refused by its trial.
var failsOnEveryPod = strings.ReplaceAll(goodConfig, "marked:", `{{ fail "not with this version" }}: `+"\n        marked:")

// TestStartWithoutAGoodConfiguration stays up, says why it is not ready, refuses pods in
// a way that API servers understand, and takes the first good configuration at once.
func TestStartWithoutAGoodConfiguration(t *testing.T) {
	publish := func(config string) func(*site) []string {
		return func(s *site) []string {
			s.publish("inject", map[string]string{"config": config, "values": "{}"})
			return nil
		}
	}
	for _, tt := range []struct {
		name string
		do   func(s *site) []string // returns flags to add
		want string
	}{
		{
			"no injection configuration", func(*site) []string { return []string{"--injectConfig=/nowhere/config"} },
			"injection configuration /nowhere/config does not exist: mount it there, or name another file with --injectConfig",
		},
		{
			"no mesh configuration", func(*site) []string { return []string{"--meshConfig=/nowhere/mesh"} },
			"mesh configuration /nowhere/mesh does not exist: mount it there, or name another file with --meshConfig",
		},
		{"a folder in its place", func(s *site) []string { return []string{"--meshConfig=" + s.dir} }, "mesh configuration (--meshConfig): read "},
		{"configuration that does not parse", publish("policy: ["), "/inject/config:1:9: "},
		{"policy that does not exist", publish(strings.ReplaceAll(goodConfig, "enabled", "sometimes")), "/inject/config:1:9: policy: "},
		{"template that does not compile", publish(strings.ReplaceAll(goodConfig, "}}", "}")), "/inject/config:"},
		{"template that fails on every pod", publish(failsOnEveryPod), "/inject/config:"},
		{"an empty record", func(s *site) []string {
			s.publish("inject", map[string]string{"config": "policy: sometimes"})
			return []string{"--lastGoodDir=" + s.path("none")}
		}, "/inject/config:1:9: policy: "},
		{"a record that was damaged", func(s *site) []string {
			files := recordFiles(t, goodConfig, "{}")
			files["digest"] = "0"
			s.publish("last-good", files)
			s.publish("inject", map[string]string{"config": "policy: sometimes"})
			return []string{"--lastGoodDir=" + s.path("last-good")}
		}, "/inject/config:1:9: policy: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			i := start(t, s, tt.do(s)...)
			code, body := i.get("/readyz")
			if code != http.StatusServiceUnavailable || !strings.Contains(body, "there is no good configuration: ") || !strings.Contains(body, tt.want) {
				t.Errorf("/readyz says %d, %s", code, body)
			}
			if code, _ := i.get("/healthz"); code != http.StatusOK {
				t.Errorf("/healthz says %d: a restart would not help", code)
			}
			if code, body := i.get("/debug/config"); code != http.StatusOK || !strings.Contains(body, tt.want) {
				t.Errorf("/debug/config says %d, %s", code, body)
			}
			if log := i.log.String(); strings.Count(log, `"trouble":"configuration refused"`) != 1 || !strings.Contains(log, "there is no good configuration") || !strings.Contains(log, tt.want) {
				t.Errorf("the log does not say it once:\n%s", log)
			}
			answer, err := i.inject(s.caller())
			must(t, err)
			if answer.Allowed || answer.Result == nil || answer.Result.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Result.Message, "no good configuration") {
				t.Errorf("a pod gets %+v", answer)
			}
			if strings.HasPrefix(tt.want, "/inject") {
				s.publish("inject", map[string]string{"config": goodConfig, "values": goodValues})
				i.waitReady()
				if got := i.mark(); got != "one" {
					t.Errorf("marked %q after it was mended", got)
				}
			}
			i.stop()
			if status := i.wait(); status != 0 {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

// TestStopWhileNothingIsInForce stops a server that waits for the other half of its
// configuration: nothing that it waits for delays the end.
func TestStopWhileNothingIsInForce(t *testing.T) {
	s := newSite(t)
	s.publish("inject", map[string]string{"config": goodConfig, "values": goodValues, "generation": "1"})
	s.publish("mesh", map[string]string{"mesh": goodMesh, "generation": "2"})
	i := start(t, s, "--shutdownDelay=1h")
	if _, body := i.get("/readyz"); !strings.Contains(body, "there is no configuration yet: the injection configuration is of generation") {
		t.Errorf("/readyz says %s", body)
	}
	begin := time.Now()
	i.stop()
	if status := i.wait(); status != 0 || time.Since(begin) > 2*time.Second {
		t.Errorf("exit status %d after %s", status, time.Since(begin))
	}
}

// While an upgrade goes on, the servers of the version before see what the new ones
// accept and record. They keep what they serve when they cannot render that.
func TestRunningServersKeepWhatTheyServe(t *testing.T) {
	s := newSite(t)
	s.publish("last-good", recordFiles(t, goodConfig, goodValues))
	i := start(t, s, "--lastGoodDir="+s.path("last-good"))
	i.waitReady()
	s.publish("last-good", recordFiles(t, failsOnEveryPod, goodValues))
	s.publish("inject", map[string]string{"config": failsOnEveryPod, "values": goodValues})
	eventually(t, "the next version's configuration refused", func() bool {
		_, metrics := i.get("/metrics")
		return strings.Contains(metrics, `sidecar_injector_last_reload_successful{what="configuration"} 0`)
	})
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q", got)
	}
	if _, body := i.get("/readyz"); strings.Contains(body, "this version would refuse it") {
		t.Errorf("/readyz says %s", body)
	}
}

// A version that refuses what another one accepted serves it all the same, and says so.
func TestUpgradeToAStricterVersion(t *testing.T) {
	s := newSite(t)
	s.publish("last-good", recordFiles(t, failsOnEveryPod, goodValues))
	s.publish("inject", map[string]string{"config": failsOnEveryPod, "values": goodValues})
	i := start(t, s, "--lastGoodDir="+s.path("last-good"))
	i.waitReady()
	_, body := i.get("/readyz")
	_, metrics := i.get("/metrics")
	for _, want := range []string{"this version would refuse it, had another one not accepted it: ", "/inject/config:"} {
		if !strings.Contains(body, want) {
			t.Errorf("/readyz does not say %q:\n%s", want, body)
		}
	}
	if !strings.Contains(metrics, `sidecar_injector_trouble{trouble="configuration of another version"} 1`) || !strings.Contains(metrics, "sidecar_injector_serves_last_good 0") {
		t.Errorf("the metrics do not tell of it:\n%s", metrics)
	}
	if !strings.Contains(i.log.String(), "version v0-before accepted it, at 2026-01-02T03:04:05Z, but this version refuses it: ") {
		t.Errorf("the log does not say it:\n%s", i.log)
	}
	s.publish("inject", map[string]string{"config": goodConfig, "values": goodValues})
	eventually(t, "the mended one in force, and the trouble over", func() bool {
		_, metrics := i.get("/metrics")
		return !strings.Contains(metrics, "configuration of another version")
	})
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q", got)
	}
}

// A restart while the configuration is refused serves the recorded one, and each sign of
// it ends when it is mended: here by taking it back.
func TestRestartWhileRefused(t *testing.T) {
	s := newSite(t)
	s.publish("last-good", recordFiles(t, goodConfig, goodValues))
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, "enabled", "s3cret"), "values": goodValues})
	i := start(t, s, "--lastGoodDir="+s.path("last-good"))
	i.waitReady()
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q", got)
	}
	_, ready := i.get("/readyz")
	_, metrics := i.get("/metrics")
	_, debug := i.get("/debug/config")
	for what, shown := range map[string]struct{ text, want string }{
		"/readyz":       {ready, "serving the last good configuration, of 2026-01-02T03:04:05Z, as it was recorded"},
		"its reason":    {ready, "/inject/config:1:9: policy: invalid value (not shown)"},
		"the metric":    {metrics, "sidecar_injector_serves_last_good 1"},
		"the trouble":   {metrics, `sidecar_injector_trouble{trouble="configuration refused"} 1`},
		"the reloads":   {metrics, `sidecar_injector_last_reload_successful{what="configuration"} 0`},
		"/debug/config": {debug, `"lastGood": true`},
		"the log":       {i.log.String(), "serving the last good configuration, of 2026-01-02T03:04:05Z, hash "},
	} {
		if !strings.Contains(shown.text, shown.want) || strings.Contains(shown.text, "s3cret") {
			t.Errorf("%s does not say %q:\n%s", what, shown.want, shown.text)
		}
	}
	begin := time.Now()
	s.publish("inject", map[string]string{"config": goodConfig, "values": goodValues})
	eventually(t, "every sign of it over", func() bool {
		_, ready := i.get("/readyz")
		_, metrics := i.get("/metrics")
		_, debug := i.get("/debug/config")
		return !strings.Contains(ready, "last good") && !strings.Contains(ready, "refused") &&
			strings.Contains(metrics, "sidecar_injector_serves_last_good 0") && !strings.Contains(metrics, "configuration refused") &&
			strings.Contains(metrics, `sidecar_injector_last_reload_successful{what="configuration"} 1`) &&
			strings.Contains(debug, `"lastGood": false`) && strings.Contains(i.log.String(), "trouble is over")
	})
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("taking it back took %s", took)
	}
	var shown struct {
		Configuration struct{ Recorded bool }
	}
	_, debug = i.get("/debug/config")
	must(t, json.Unmarshal([]byte(debug), &shown))
	if shown.Configuration.Recorded {
		t.Errorf("still from the record: %s", debug)
	}
}
