package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type certificates struct {
	expiry    *expiry
	renewals  *prometheus.CounterVec
	heals     *prometheus.CounterVec
	patches   *prometheus.CounterVec
	conflicts prometheus.Counter
}

func newCertificates(now func() time.Time) certificates {
	return certificates{
		expiry: &expiry{
			now:   now,
			until: map[string]time.Time{},
			desc: prometheus.NewDesc("sidecar_injector_certificate_expiry_seconds",
				"Time left until the certificate in use expires, below zero after that: leaf (served) and ca (what signed it).",
				[]string{"type"}, nil),
		},
		renewals: counters("sidecar_injector_certificate_renewals_total",
			"Certificates replaced by newer ones, by type.", "type", "leaf", "ca"),
		heals: counters("sidecar_injector_heals_total",
			"Repairs of what somebody else had changed, by what it was.", "what", "cabundle", "secret"),
		patches: counters("sidecar_injector_write_failures_total",
			"Writes to the API server that failed and are tried again, by what was written.", "what", "cabundle", "secret"),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sidecar_injector_write_conflicts_total",
			Help: "Writes that another replica was faster with; harmless.",
		}),
	}
}

// counters makes a counter with one label whose values are known beforehand, so
// that each series is there from the start.
func counters(name, help, label string, values ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	for _, v := range values {
		c.WithLabelValues(v)
	}
	return c
}

func (c *certificates) all() []prometheus.Collector {
	return []prometheus.Collector{c.expiry, c.renewals, c.heals, c.patches, c.conflicts}
}

// CertificateExpiry sets when the certificate in use expires. typ is
// "leaf" or "ca".
func (c *certificates) CertificateExpiry(typ string, notAfter time.Time) { c.expiry.set(typ, notAfter) }

// CertificateRenewed counts a certificate replaced by a newer one. typ is
// "leaf" or "ca".
func (c *certificates) CertificateRenewed(typ string) { c.renewals.WithLabelValues(typ).Inc() }

// Healed counts a repair. what is "cabundle" or "secret".
func (c *certificates) Healed(what string) { c.heals.WithLabelValues(what).Inc() }

// WriteFailed counts a failed write. what is "cabundle" or "secret".
func (c *certificates) WriteFailed(what string) { c.patches.WithLabelValues(what).Inc() }

// WriteConflict counts a write that lost against another replica's.
func (c *certificates) WriteConflict() { c.conflicts.Inc() }

// expiry computes the time left at each scrape; a gauge that is set now and then
// would stand still in between.
type expiry struct {
	now  func() time.Time
	desc *prometheus.Desc

	mu    sync.Mutex
	until map[string]time.Time
}

func (e *expiry) set(typ string, t time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.until[typ] = t
}

// Describe implements prometheus.Collector.
func (e *expiry) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

// Collect implements prometheus.Collector.
func (e *expiry) Collect(ch chan<- prometheus.Metric) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for typ, t := range e.until {
		ch <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, t.Sub(now).Seconds(), typ)
	}
}
