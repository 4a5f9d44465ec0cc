package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build identifies the program.
type Build struct {
	Version, Revision, GoVersion string
}

// Metrics is a registry with all metrics of the injector. Its methods may be called
// from many goroutines at one time.
type Metrics struct {
	registry *prometheus.Registry
	injection
	serving
	reloads
	guard
	certificates
	state
}

// New returns metrics that are all zero. now is the clock for the time left until
// certificates expire.
func New(build Build, now func() time.Time) *Metrics {
	m := &Metrics{
		registry:     prometheus.NewRegistry(),
		injection:    newInjection(),
		serving:      newServing(),
		reloads:      newReloads(),
		guard:        newGuard(),
		certificates: newCertificates(now),
		state:        newState(),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "sidecar_injector_build_info",
		Help:        "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "goversion": build.GoVersion},
	})
	info.Set(1)
	m.registry.MustRegister(info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.injection.all()...)
	m.registry.MustRegister(m.serving.all()...)
	m.registry.MustRegister(m.reloads.all()...)
	m.registry.MustRegister(m.guard.all()...)
	m.registry.MustRegister(m.certificates.all()...)
	m.registry.MustRegister(m.state.all()...)
	return m
}

// DroppedLogLines sets the function that returns how many log lines could not be
// written; it is called at each scrape. It may be called once.
func (m *Metrics) DroppedLogLines(count func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "sidecar_injector_log_lines_dropped_total",
		Help: "Log lines dropped because standard error was not read in time.",
	}, func() float64 { return float64(count()) }))
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry,
		// Scrapers are few; a crowd of them must not cost the webhook its memory.
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// Gatherer gives the metrics to tests and dumps.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }
