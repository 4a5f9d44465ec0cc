package serve

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/guard"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/server"
)

// healthPath is what the self check asks for on the webhook's port.
const healthPath = "/healthz"

// webhookHandler serves the TLS port. It does its own routing: the standard
// mux answers a path such as /inject//x by a redirect, and API servers follow
// none.
func webhookHandler(configuration *source.Source, m *metrics.Metrics, log *slog.Logger, limits admission.Limits, turnedAway func(*admission.Rejection), ownConfiguration http.Handler) http.Handler {
	inject := admission.NewHandler(admission.Config{
		Engine: func() admission.Engine {
			if snapshot := configuration.Current(); snapshot != nil {
				return snapshot
			}
			return nil // not an Engine that is nil
		},
		Observe:  observer(m, log),
		Parallel: 2 * runtime.GOMAXPROCS(0),
		Limits:   limits,
		Peer:     server.Peer,
		InFlight: m.InFlight,
		Rejected: turnedAway,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/inject", strings.HasPrefix(r.URL.Path, "/inject/"):
			inject.ServeHTTP(w, r)
		case r.URL.Path == guard.Path:
			ownConfiguration.ServeHTTP(w, r)
		case r.URL.Path == healthPath:
			_, _ = io.WriteString(w, "ok\n")
		default:
			http.Error(w, "nothing is served here: post an AdmissionReview to /inject", http.StatusNotFound)
		}
	})
}

// endpoints are what the monitoring port serves.
type endpoints struct {
	metrics, alive, ready http.Handler
	version               buildinfo.Info
	config                func() debugConfig
}

// monitoringHandler serves the plain port. Nothing there is secret.
func monitoringHandler(e endpoints) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", e.metrics)
	mux.Handle("GET /healthz", e.alive)
	mux.Handle("GET /readyz", e.ready)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, e.version) })
	mux.HandleFunc("GET /debug/config", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, e.config()) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "there is: GET /metrics /healthz /readyz /version /debug/config", http.StatusNotFound)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the caller went away
}
