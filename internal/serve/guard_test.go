package serve

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/guard"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
)

func TestGuardObserver(t *testing.T) {
	for name, tt := range map[string]struct {
		ev      admission.Event
		line    string
		counted bool
	}{
		"accepted": {
			admission.Event{HTTPStatus: 200, Decision: guard.Accepted, Namespace: "ns", Name: "inject"},
			`level=INFO msg="configuration review" decision=configuration-accepted configMap=ns/inject`, true,
		},
		"refused": {
			admission.Event{HTTPStatus: 200, Decision: guard.Refused, Message: "a sentence"},
			`level=WARN msg="configuration review" decision=configuration-refused configMap=/ sentence="a sentence"`, true,
		},
		"no review":   {admission.Event{HTTPStatus: 413, Error: "too large"}, `level=WARN msg="configuration review" status=413 error="too large"`, false},
		"panic":       {admission.Event{HTTPStatus: 200, Decision: guard.Refused, Error: "panic: x", Stack: []byte("s")}, `level=ERROR msg="configuration review"`, true},
		"turned away": {admission.Event{HTTPStatus: 429, Limit: "bytes"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			m := metrics.New(metrics.Build{}, time.Now)
			guardObserver(m, slog.New(slog.NewTextHandler(&log, nil)))(tt.ev)
			if !strings.Contains(log.String(), tt.line) || (tt.line == "" && log.Len() > 0) {
				t.Errorf("logged %s", log.String())
			}
			families, err := m.Gatherer().Gather()
			if err != nil {
				t.Fatal(err)
			}
			counted := false
			for _, f := range families {
				if f.GetName() == "sidecar_injector_configuration_reviews_total" {
					counted = f.GetMetric()[0].GetCounter().GetValue() == 1
				}
			}
			if counted != tt.counted {
				t.Errorf("counted %v", counted)
			}
		})
	}
}
