package serve

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
)

// A defect may come with every pod: each counts, the first of a template is logged.
func TestDefects(t *testing.T) {
	var log bytes.Buffer
	m := metrics.New(metrics.Build(buildinfo.Info{}), time.Now)
	observe := defectObserver(m, slog.New(slog.NewJSONHandler(&log, nil)))
	for _, template := range []string{"a", "b", "a"} {
		observe(template, errors.New("index out of range"))
	}
	if lines := strings.Count(log.String(), "index out of range"); lines != 2 || !strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("logged %s", log.String())
	}
	page := httptest.NewRecorder()
	m.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(page.Body.String(), "sidecar_injection_template_defects_total 3\n") {
		t.Errorf("metrics %s", page.Body.String())
	}
}

func TestOwner(t *testing.T) {
	for _, tt := range []struct{ kind, name, want string }{
		{"Deployment", "web", "Deployment/web"},
		{"Pod", "", "Pod"}, // metadata.generateName
		{"", "", ""},
	} {
		ev := admission.Event{}
		ev.OwnerKind, ev.OwnerName = tt.kind, tt.name
		if got := owner(ev); got != tt.want {
			t.Errorf("owner %q, want %q", got, tt.want)
		}
	}
}
