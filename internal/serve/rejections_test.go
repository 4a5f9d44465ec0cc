package serve

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
)

func TestRejectionsAreToldForATime(t *testing.T) {
	var log bytes.Buffer
	c := testclock.NewFakeClock(time.Unix(1e9, 0))
	r := newRejections(metrics.New(metrics.Build(buildinfo.Info{}), c.Now), slog.New(slog.NewTextHandler(&log, nil)), c)
	detail := func(want string) {
		t.Helper()
		got, err := r.check(t.Context())
		if err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("readiness says %q, %v, want %q", got, err, want)
		}
	}
	detail("nobody was turned away lately")
	for range 5 {
		r.call(&admission.Rejection{Peer: "10.0.0.7", Limit: "bytes", Message: "too much"})
	}
	r.connection("10.0.0.8")
	detail("6 callers were turned away lately (bytes 5, connections 1), the last one 10.0.0.8")
	if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "limit=bytes peer=10.0.0.7") {
		t.Errorf("logged %s", log.String())
	}
	c.Step(recently)
	r.connection("10.0.0.9")
	detail("7 callers were turned away lately (bytes 5, connections 2), the last one 10.0.0.9")
	c.Step(recently)
	detail("1 callers were turned away lately (connections 1), the last one 10.0.0.9")
	r.call(&admission.Rejection{Peer: "10.0.0.7", Limit: "bytes", Message: "too much"})
	if !strings.Contains(log.String(), "notLogged=4") {
		t.Errorf("the log does not tell of those that are not in it: %s", log.String())
	}
	c.Step(3 * recently)
	detail("nobody was turned away lately")
}
