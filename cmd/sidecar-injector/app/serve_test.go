package app

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestServe(t *testing.T) {
	i := start(t, newSite(t), "--templateEnv=PROXY_MODE,ABSENT")
	i.waitReady()
	r, err := i.inject(i.site.caller())
	must(t, err)
	if !r.Allowed || r.AuditAnnotations["decision"] != "policy-enabled" || r.AuditAnnotations["templates"] != "sidecar" || len(r.AuditAnnotations["config-hash"]) != 64 {
		t.Errorf("got %+v", r)
	}
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q", got)
	}

	resp, err := i.site.caller().Get("https://" + i.webhook + "/elsewhere")
	must(t, err)
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "/inject") {
		t.Errorf("another path: %d %s", resp.StatusCode, body)
	}

	// A path with an empty element is no reason to redirect: it is ours to read.
	resp, err = i.site.caller().Post("https://"+i.webhook+"/inject//cluster/c1", "application/json", strings.NewReader(`{}`))
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an odd path got %d", resp.StatusCode)
	}

	// Calls are counted when their answers are on the way already.
	var metrics string
	eventually(t, "all calls counted", func() bool {
		_, metrics = i.get("/metrics")
		return strings.Contains(metrics, "sidecar_injection_requests_total 3\n") && strings.Contains(metrics, "sidecar_injector_requests_in_flight 0\n")
	})
	for _, line := range []string{
		`sidecar_injection_decisions_total{decision="policy-enabled"} 2`,
		"sidecar_injection_requests_total 3",
		"sidecar_injection_success_total 2",
		"sidecar_injection_failure_total 1",
		`sidecar_injector_config_info{hash="` + r.AuditAnnotations["config-hash"] + `"} 1`,
		`sidecar_injector_reloads_total{result="success",what="configuration"} 1`,
		`sidecar_injector_reloads_total{result="success",what="certificate"} 1`,
		"sidecar_injector_requests_in_flight 0",
		"sidecar_injector_ready 1",
		`sidecar_injector_check_ok{check="configuration"} 1`,
		`sidecar_injector_check_ok{check="tls"} 1`,
		`sidecar_injector_check_ok{check="certificate"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no metric %s", line)
		}
	}
	if strings.Contains(metrics, "sidecar_injector_cabundle_matches{") {
		t.Error("a caBundle is judged that nobody looks after")
	}
	if !strings.Contains(metrics, `sidecar_injector_certificate_expiry_seconds{type="leaf"} 3`) {
		t.Error("the certificate's hour is not told")
	}

	i.stop()
	if status := i.wait(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	checkInjectionLog(t, i.log.String())
}

// checkInjectionLog looks at what was logged about one request of TestServe.
func checkInjectionLog(t *testing.T, log string) {
	t.Helper()
	found := 0
	for line := range strings.Lines(log) {
		var e map[string]any
		must(t, json.Unmarshal([]byte(line), &e))
		if e["msg"] != "injection" || e["decision"] == nil {
			continue
		}
		found++
		for key, want := range map[string]any{
			"decision": "policy-enabled", "namespace": "shop", "pod": "hello", "owner": "Pod/hello", "uid": "uid-1", "templates": "sidecar",
		} {
			if e[key] != want {
				t.Errorf("log line has %s %v, want %v", key, e[key], want)
			}
		}
		if us, ok := e["microseconds"].(float64); !ok || us <= 0 {
			t.Errorf("log line has %v microseconds", e["microseconds"])
		}
	}
	if found != 2 {
		t.Errorf("%d log lines about 2 pods", found)
	}
	if strings.Contains(log, "hunter2") || strings.Contains(log, "PRIVATE KEY") {
		t.Error("the log holds a secret")
	}
}

func TestMonitoringEndpoints(t *testing.T) {
	i := start(t, newSite(t))
	i.waitReady()
	for path, want := range map[string]string{
		"/healthz": "alive",
		"/readyz":  "[+] tls: ok",
		"/version": `"version": "v0-test"`,
		"/metrics": "go_goroutines",
	} {
		if code, body := i.get(path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %s", path, code, body, want)
		}
	}
	if code, body := i.get("/"); code != http.StatusNotFound || !strings.Contains(body, "/readyz") {
		t.Errorf("/: %d %s, want what there is", code, body)
	}
	code, body := i.get("/debug/config")
	var d shownConfig
	must(t, json.Unmarshal([]byte(body), &d))
	if code != http.StatusOK || len(d.Configuration.Hash) != 64 || d.Dialect != "current" || len(d.Templates) != 1 || d.Templates[0] != "sidecar" ||
		d.Certificate.DNSNames[0] != serviceName || len(d.CAs) != 1 || time.Until(d.Certificate.NotAfter) > time.Hour {
		t.Errorf("%d %s", code, body)
	}
	if strings.Contains(body, "BEGIN") || strings.Contains(body, "example.com/sidecar") {
		t.Errorf("shows more than hashes and dates: %s", body)
	}
}

func TestReloadConfiguration(t *testing.T) {
	s := newSite(t)
	i := start(t, s)
	i.waitReady()
	if got := i.mark(); got != "one" {
		t.Fatalf("marked %q", got)
	}

	s.publish("inject", map[string]string{"config": goodConfig, "values": `{"mark": "two"}`})
	eventually(t, "the changed values in force", func() bool { return i.mark() == "two" })

	bad := strings.ReplaceAll(goodConfig, "policy: enabled", "policy: sometimes")
	s.publish("inject", map[string]string{"config": bad, "values": `{"mark": "three"}`})
	eventually(t, "the reason in /readyz", func() bool {
		_, body := i.get("/readyz")
		return strings.Contains(body, "a newer one was refused") && strings.Contains(body, "config:1:9: policy: invalid value (not shown)")
	})
	for _, path := range []string{"/readyz", "/debug/config"} {
		if _, body := i.get(path); strings.Contains(body, "sometimes") {
			t.Errorf("%s shows a value of the configuration: %s", path, body)
		}
	}
	if strings.Contains(i.log.String(), "sometimes") {
		t.Error("the log shows a value of the configuration")
	}
	if code, _ := i.get("/readyz"); code != http.StatusOK {
		t.Errorf("not ready (%d) although the last good configuration is in force", code)
	}
	if got := i.mark(); got != "two" {
		t.Errorf("marked %q, want the last good one's", got)
	}
	if _, m := i.get("/metrics"); !strings.Contains(m, `sidecar_injector_last_reload_successful{what="configuration"} 0`) {
		t.Error("the metric says that all is well")
	}
	if !strings.Contains(i.log.String(), "the last good one stays in force") {
		t.Error("the log does not tell")
	}

	// A template that does not compile is no better.
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, "{{ .Values.mark }}", "{{ .Values.mark "), "values": goodValues})
	eventually(t, "the template's error in /readyz", func() bool {
		_, body := i.get("/readyz")
		return strings.Contains(body, "sidecar") && strings.Contains(body, "refused") && !strings.Contains(body, "policy")
	})

	// Nor is one that names a field which no pod has.
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, "{{ .Values.mark }}", "{{ .Nope }}"), "values": goodValues})
	eventually(t, "the field that does not exist in /readyz", func() bool {
		_, body := i.get("/readyz")
		return strings.Contains(body, ".Nope: names a field that is not there")
	})
	if got := i.mark(); got != "two" {
		t.Errorf("marked %q, want the last good one's", got)
	}

	// Nor is a missing file, once there was one.
	must(t, os.Remove(s.path("mesh", "mesh")))
	s.publish("inject", map[string]string{"config": goodConfig, "values": `{"mark": "four"}`})
	eventually(t, "the missing file in /readyz", func() bool {
		_, body := i.get("/readyz")
		return strings.Contains(body, "mesh configuration "+s.path("mesh", "mesh")+" does not exist")
	})
	if got := i.mark(); got != "two" {
		t.Errorf("marked %q, want the last good one's", got)
	}
	must(t, os.Symlink("..data/mesh", s.path("mesh", "mesh")))
	eventually(t, "the configuration in force that is good again", func() bool { return i.mark() == "four" })
	if _, body := i.get("/readyz"); strings.Contains(body, "refused") {
		t.Errorf("still tells of the bad one: %s", body)
	}
}

func TestReloadCertificate(t *testing.T) {
	s := newSite(t)
	i := start(t, s)
	i.waitReady()
	served := func() string {
		resp, err := s.caller().Get("https://" + i.webhook + "/healthz")
		if err != nil {
			return err.Error()
		}
		resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := served()

	cert, key := s.ca.issue(t, serviceName, time.Now().Add(2*time.Hour))
	s.publishCerts(cert, key, s.ca.pem)
	eventually(t, "the renewed certificate served", func() bool { return served() != first })
	second := served()

	// A bad configuration does not hold up certificates, nor the other way round.
	s.publish("inject", map[string]string{"config": "policy: sometimes"})
	_, otherKey := s.ca.issue(t, serviceName, time.Now().Add(time.Hour))
	s.publishCerts(cert, otherKey, s.ca.pem)
	eventually(t, "the mismatch in the log", func() bool { return strings.Contains(i.log.String(), "does not match key "+s.path("certs", "key.pem")) })
	if got := served(); got != second {
		t.Errorf("serves %s, want the last good one %s", got, second)
	}
	expired, expiredKey := s.ca.issue(t, serviceName, time.Now().Add(-time.Hour))
	s.publishCerts(expired, expiredKey, s.ca.pem)
	eventually(t, "the expired one in the log", func() bool { return strings.Contains(i.log.String(), "expired at") })
	if got := served(); got != second {
		t.Errorf("serves %s, want the last good one %s", got, second)
	}
	cert, key = s.ca.issue(t, serviceName, time.Now().Add(3*time.Hour))
	s.publishCerts(cert, key, s.ca.pem)
	eventually(t, "the third certificate served", func() bool { return served() != second })
	if strings.Contains(i.log.String(), "PRIVATE KEY") {
		t.Error("the log holds a key")
	}
}

func TestCertificateOfAnotherCAIsNotReady(t *testing.T) {
	s := newSite(t)
	cert, key := s.ca.issue(t, serviceName, time.Now().Add(time.Hour))
	s.publishCerts(cert, key, newAuthority(t).pem)
	i := start(t, s)
	eventually(t, "not ready, and why", func() bool {
		code, body := i.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "[-] tls: own TLS request") && strings.Contains(body, "[-] certificate:")
	})
	_, metrics := i.get("/metrics")
	for _, line := range []string{
		"sidecar_injector_ready 0",
		`sidecar_injector_check_ok{check="certificate"} 0`,
		`sidecar_injector_check_ok{check="configuration"} 1`,
		`sidecar_injector_check_ok{check="tls"} 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no metric %s", line)
		}
	}
	s.publishCerts(cert, key, s.ca.pem)
	i.waitReady()
}

func TestClientCertificates(t *testing.T) {
	s := newSite(t)
	callers := newAuthority(t)
	s.publish("callers", map[string]string{"ca.pem": string(callers.pem)})
	i := start(t, s, "--clientCAFile="+s.path("callers", "ca.pem"))
	i.waitReady() // the self check gets in although no CA but its own signed it

	if _, err := i.inject(s.caller()); err == nil {
		t.Error("a caller without a certificate was served")
	}
	if _, err := i.inject(s.caller(clientCertificate(t, callers))); err != nil {
		t.Errorf("a caller with a certificate: %v", err)
	}
	other := newAuthority(t)
	if _, err := i.inject(s.caller(clientCertificate(t, other))); err == nil {
		t.Error("a caller of another CA was served")
	}
	s.publish("callers", map[string]string{"ca.pem": string(other.pem)})
	eventually(t, "callers of the new CA served", func() bool {
		_, err := i.inject(s.caller(clientCertificate(t, other)))
		return err == nil
	})
}

func TestDrain(t *testing.T) {
	s := newSite(t)
	health := s.path("health")
	i := start(t, s, "--shutdownDelay=500ms", "--healthCheckFile="+health, "--healthCheckInterval=10ms")
	i.waitReady()
	probe := func(interval string) int {
		return Run(context.Background(), "", []string{"probe", "--probe-path=" + health, "--interval=" + interval}, nil, nil, io.Discard, io.Discard)
	}
	eventually(t, "the probe says OK", func() bool { return probe("5s") == 0 })

	// Requests go on all the while; the last ones fail because nobody listens.
	var answered, lost, during atomic.Int32
	var draining atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := s.caller()
		for {
			_, err := i.inject(c)
			switch {
			case err == nil:
				answered.Add(1)
				if draining.Load() {
					during.Add(1)
				}
			case strings.Contains(err.Error(), "connection refused"), strings.Contains(err.Error(), "connection reset"):
				return
			default:
				lost.Add(1)
				t.Errorf("lost a request: %v", err)
				return
			}
		}
	}()
	eventually(t, "some requests answered", func() bool { return answered.Load() > 5 })
	i.stop()
	eventually(t, "not ready while it drains", func() bool {
		code, body := i.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "[-] draining: told to stop")
	})
	draining.Store(true)
	if status := i.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	<-done
	if during.Load() == 0 {
		t.Error("nothing was served while it drained")
	}
	eventually(t, "the probe says no", func() bool { return probe("100ms") == 1 })
	if _, err := net.DialTimeout("tcp", i.monitoring, time.Second); err == nil {
		t.Error("the monitoring port is still open")
	}
}
