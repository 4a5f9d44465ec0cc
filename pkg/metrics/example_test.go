package metrics_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
)

func Example() {
	m := metrics.New(metrics.Build{Version: "v1.0.0"}, time.Now)
	m.Request("policy-enabled", metrics.Injected, 3*time.Millisecond)

	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "sidecar_injection_decisions_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// sidecar_injection_decisions_total{decision="policy-enabled"} 1
}
