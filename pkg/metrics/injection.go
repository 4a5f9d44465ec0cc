package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Result is the outcome of an admission request as the classic counters have it.
type Result int

// The results.
const (
	Injected Result = iota
	Skipped
	Failed // refused, or not understood
)

type injection struct {
	decisions                          *prometheus.CounterVec
	requests, success, failures, skips prometheus.Counter
	seconds                            prometheus.Histogram
	panics, templateDefects            prometheus.Counter
}

func newInjection() injection {
	return injection{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidecar_injection_decisions_total",
			Help: "Decisions on pods, by their code.",
		}, []string{"decision"}),
		requests: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidecar_injection_requests_total",
			Help: "Calls of the webhook, whatever became of them.",
		}),
		success: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidecar_injection_success_total",
			Help: "Pods injected.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidecar_injection_failure_total",
			Help: "Pods refused and calls not understood.",
		}),
		skips: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidecar_injection_skip_total",
			Help: "Pods let in as they are.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sidecar_injection_time_seconds",
			Help: "Time from a call's arrival to its finished answer.",
			// From a quarter of a millisecond, where a small pod lies, to the 10 s
			// after which API servers give up by default.
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidecar_injection_panics_total",
			Help: "Requests refused because of a fault of the injector itself; its log has the details.",
		}),
		templateDefects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidecar_injection_template_defects_total",
			Help: "Templates executed in the slower way because of a fault of the injector itself; its log has the details.",
		}),
	}
}

func (i *injection) all() []prometheus.Collector {
	return []prometheus.Collector{i.decisions, i.requests, i.success, i.failures, i.skips, i.seconds, i.panics, i.templateDefects}
}

// Request counts one call of the webhook. decision is empty for a call that was
// not understood and had no pod to decide about.
func (i *injection) Request(decision string, result Result, took time.Duration) {
	i.requests.Inc()
	i.seconds.Observe(took.Seconds())
	if decision != "" {
		i.decisions.WithLabelValues(decision).Inc()
	}
	switch result {
	case Injected:
		i.success.Inc()
	case Skipped:
		i.skips.Inc()
	default:
		i.failures.Inc()
	}
}

// Panicked counts a request that ended in a panic.
func (i *injection) Panicked() { i.panics.Inc() }

// TemplateDefect counts a template that could not be evaluated in part, and was
// executed by text/template instead.
func (i *injection) TemplateDefect() { i.templateDefects.Inc() }
