package metrics

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestRequests(t *testing.T) {
	m := New(Build{Version: "v1"}, time.Now)
	m.Request("policy-enabled", Injected, 200*time.Microsecond)
	m.Request("policy-enabled", Injected, 700*time.Microsecond)
	m.Request("label-false", Skipped, 100*time.Microsecond)
	m.Request("template-error", Failed, 20*time.Millisecond)
	m.Request("", Failed, time.Second)
	m.Panicked()
	expect(t, m, `
# HELP sidecar_injection_decisions_total Decisions on pods, by their code.
# TYPE sidecar_injection_decisions_total counter
sidecar_injection_decisions_total{decision="label-false"} 1
sidecar_injection_decisions_total{decision="policy-enabled"} 2
sidecar_injection_decisions_total{decision="template-error"} 1
# HELP sidecar_injection_failure_total Pods refused and calls not understood.
# TYPE sidecar_injection_failure_total counter
sidecar_injection_failure_total 2
# HELP sidecar_injection_panics_total Requests refused because of a fault of the injector itself; its log has the details.
# TYPE sidecar_injection_panics_total counter
sidecar_injection_panics_total 1
# HELP sidecar_injection_requests_total Calls of the webhook, whatever became of them.
# TYPE sidecar_injection_requests_total counter
sidecar_injection_requests_total 5
# HELP sidecar_injection_skip_total Pods let in as they are.
# TYPE sidecar_injection_skip_total counter
sidecar_injection_skip_total 1
# HELP sidecar_injection_success_total Pods injected.
# TYPE sidecar_injection_success_total counter
sidecar_injection_success_total 2
`, "sidecar_injection_decisions_total", "sidecar_injection_failure_total", "sidecar_injection_panics_total",
		"sidecar_injection_requests_total", "sidecar_injection_skip_total", "sidecar_injection_success_total")

	text := scrape(t, m)
	for _, line := range []string{
		`sidecar_injection_time_seconds_bucket{le="0.00025"} 2`,
		`sidecar_injection_time_seconds_bucket{le="0.001"} 3`,
		`sidecar_injection_time_seconds_count 5`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

func TestReloads(t *testing.T) {
	m := New(Build{}, time.Now)
	c := m.Reload("configuration")
	m.Reload("certificate").Reloaded("not a configuration's", time.UnixMilli(5000))
	c.Reloaded("aaa", time.UnixMilli(1000))
	c.Reloaded("bbb", time.UnixMilli(2500))
	c.ReloadFailed(time.UnixMilli(9000))
	expect(t, m, `
# HELP sidecar_injector_config_info Always 1; the label is the hash of the configuration in force.
# TYPE sidecar_injector_config_info gauge
sidecar_injector_config_info{hash="bbb"} 1
# HELP sidecar_injector_last_reload_success_timestamp_seconds When the content in force came into force.
# TYPE sidecar_injector_last_reload_success_timestamp_seconds gauge
sidecar_injector_last_reload_success_timestamp_seconds{what="certificate"} 5
sidecar_injector_last_reload_success_timestamp_seconds{what="configuration"} 2.5
# HELP sidecar_injector_last_reload_successful 1 when the newest content is in force, 0 when it was refused and the last good one stays.
# TYPE sidecar_injector_last_reload_successful gauge
sidecar_injector_last_reload_successful{what="certificate"} 1
sidecar_injector_last_reload_successful{what="configuration"} 0
# HELP sidecar_injector_reloads_total Changes of what is read from files or the API, by what it is and whether it came into force.
# TYPE sidecar_injector_reloads_total counter
sidecar_injector_reloads_total{result="failure",what="certificate"} 0
sidecar_injector_reloads_total{result="failure",what="configuration"} 1
sidecar_injector_reloads_total{result="success",what="certificate"} 1
sidecar_injector_reloads_total{result="success",what="configuration"} 2
`, "sidecar_injector_config_info", "sidecar_injector_last_reload_success_timestamp_seconds",
		"sidecar_injector_last_reload_successful", "sidecar_injector_reloads_total")
}

func TestCertificates(t *testing.T) {
	now := time.Unix(1000, 0)
	m := New(Build{}, func() time.Time { return now })
	m.CertificateExpiry("leaf", time.Unix(1060, 0))
	m.CertificateExpiry("ca", time.Unix(5000, 0))
	m.CertificateRenewed("leaf")
	m.Healed("cabundle")
	m.WriteFailed("secret")
	m.WriteConflict()
	// Time passes between setting and scraping.
	now = time.Unix(1090, 0)
	expect(t, m, `
# HELP sidecar_injector_certificate_expiry_seconds Time left until the certificate in use expires, below zero after that: leaf (served) and ca (what signed it).
# TYPE sidecar_injector_certificate_expiry_seconds gauge
sidecar_injector_certificate_expiry_seconds{type="ca"} 3910
sidecar_injector_certificate_expiry_seconds{type="leaf"} -30
# HELP sidecar_injector_certificate_renewals_total Certificates replaced by newer ones, by type.
# TYPE sidecar_injector_certificate_renewals_total counter
sidecar_injector_certificate_renewals_total{type="ca"} 0
sidecar_injector_certificate_renewals_total{type="leaf"} 1
# HELP sidecar_injector_heals_total Repairs of what somebody else had changed, by what it was.
# TYPE sidecar_injector_heals_total counter
sidecar_injector_heals_total{what="cabundle"} 1
sidecar_injector_heals_total{what="secret"} 0
# HELP sidecar_injector_write_conflicts_total Writes that another replica was faster with; harmless.
# TYPE sidecar_injector_write_conflicts_total counter
sidecar_injector_write_conflicts_total 1
# HELP sidecar_injector_write_failures_total Writes to the API server that failed and are tried again, by what was written.
# TYPE sidecar_injector_write_failures_total counter
sidecar_injector_write_failures_total{what="cabundle"} 0
sidecar_injector_write_failures_total{what="secret"} 1
`, "sidecar_injector_certificate_expiry_seconds", "sidecar_injector_certificate_renewals_total",
		"sidecar_injector_heals_total", "sidecar_injector_write_conflicts_total", "sidecar_injector_write_failures_total")
}

func TestTroublesAreAskedAtEachScrape(t *testing.T) {
	m := New(Build{}, time.Now)
	const name = "sidecar_injector_trouble"
	expect(t, m, "", name)
	open := []string{"secret-missing"}
	m.Troubles(func() []string { return open })
	expect(t, m, `
# HELP sidecar_injector_trouble 1 while something is wrong with configuration, certificates, caBundle or the API server; the log has a line with the same name that says what.
# TYPE sidecar_injector_trouble gauge
sidecar_injector_trouble{trouble="secret-missing"} 1
`, name)
	open = nil
	expect(t, m, "", name)
}

func TestStateIsAskedAtEachScrape(t *testing.T) {
	m := New(Build{}, time.Now)
	names := []string{"sidecar_injector_cabundle_matches", "sidecar_injector_check_ok", "sidecar_injector_ready"}
	expect(t, m, "", names...) // nobody to ask yet

	checks := map[string]bool{"tls": true, "certificate": true}
	m.Readiness(func(context.Context) map[string]bool { return checks })
	bundles := map[string]bool{"canary": true, "injector": false}
	m.CABundles(func() map[string]bool { return bundles })
	expect(t, m, `
# HELP sidecar_injector_cabundle_matches 1 when the caBundle of a webhook configuration, as last seen, verifies the serving certificate, else 0. Absent where the injector does not look after it, or it does not exist.
# TYPE sidecar_injector_cabundle_matches gauge
sidecar_injector_cabundle_matches{webhook_config="canary"} 1
sidecar_injector_cabundle_matches{webhook_config="injector"} 0
# HELP sidecar_injector_check_ok 1 when this readiness check is good, else 0; /readyz says why.
# TYPE sidecar_injector_check_ok gauge
sidecar_injector_check_ok{check="certificate"} 1
sidecar_injector_check_ok{check="tls"} 1
# HELP sidecar_injector_ready 1 when every readiness check is good, else 0.
# TYPE sidecar_injector_ready gauge
sidecar_injector_ready 1
`, names...)

	checks["certificate"] = false
	delete(bundles, "injector")
	expect(t, m, `
# HELP sidecar_injector_cabundle_matches 1 when the caBundle of a webhook configuration, as last seen, verifies the serving certificate, else 0. Absent where the injector does not look after it, or it does not exist.
# TYPE sidecar_injector_cabundle_matches gauge
sidecar_injector_cabundle_matches{webhook_config="canary"} 1
# HELP sidecar_injector_check_ok 1 when this readiness check is good, else 0; /readyz says why.
# TYPE sidecar_injector_check_ok gauge
sidecar_injector_check_ok{check="certificate"} 0
sidecar_injector_check_ok{check="tls"} 1
# HELP sidecar_injector_ready 1 when every readiness check is good, else 0.
# TYPE sidecar_injector_ready gauge
sidecar_injector_ready 0
`, names...)
}

func TestServing(t *testing.T) {
	m := New(Build{Version: "v1.2.3", Revision: "abc", GoVersion: "go1.26"}, time.Now)
	m.InFlight(1)
	m.InFlight(1)
	m.InFlight(-1)
	m.Rejected("bytes")
	text := scrape(t, m)
	for _, line := range []string{
		"sidecar_injector_requests_in_flight 1",
		`sidecar_injector_rejected_total{limit="bytes"} 1`,
		`sidecar_injector_rejected_total{limit="requests"} 0`,
		`sidecar_injector_build_info{goversion="go1.26",revision="abc",version="v1.2.3"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("no metric %s", name)
		}
	}
}

func TestTwoAtOnce(t *testing.T) {
	// Nothing is global: a second one would collide if it were.
	a, b := New(Build{}, time.Now), New(Build{}, time.Now)
	a.Request("x", Injected, 0)
	if strings.Contains(scrape(t, b), `decision="x"`) {
		t.Error("two metrics share what they count")
	}
}

func TestNamesAreGood(t *testing.T) {
	m := New(Build{}, time.Now)
	m.Request("policy-enabled", Injected, 0)
	m.Reload("configuration").Reloaded("a", time.Now())
	m.CertificateExpiry("leaf", time.Now())
	problems, err := promlint.New(strings.NewReader(scrape(t, m))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "sidecar_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// expect compares what a scrape says about the named metrics.
func expect(t *testing.T, m *Metrics, want string, names ...string) {
	t.Helper()
	var got strings.Builder
	for line := range strings.Lines(scrape(t, m)) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		if end := strings.IndexAny(name, "{ "); end > 0 && slices.Contains(names, name[:end]) {
			got.WriteString(line)
		}
	}
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}
