package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type reloads struct {
	total      *prometheus.CounterVec
	successful *prometheus.GaugeVec
	last       *prometheus.GaugeVec
	info       *prometheus.GaugeVec
}

func newReloads() reloads {
	return reloads{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidecar_injector_reloads_total",
			Help: "Changes of what is read from files or the API, by what it is and whether it came into force.",
		}, []string{"what", "result"}),
		successful: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sidecar_injector_last_reload_successful",
			Help: "1 when the newest content is in force, 0 when it was refused and the last good one stays.",
		}, []string{"what"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sidecar_injector_last_reload_success_timestamp_seconds",
			Help: "When the content in force came into force.",
		}, []string{"what"}),
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sidecar_injector_config_info",
			Help: "Always 1; the label is the hash of the configuration in force.",
		}, []string{"hash"}),
	}
}

func (r *reloads) all() []prometheus.Collector {
	return []prometheus.Collector{r.total, r.successful, r.last, r.info}
}

// Reload returns the counter for the reloads of one thing, whose name is short and
// stable: "configuration".
func (r *reloads) Reload(what string) *Reload {
	r.total.WithLabelValues(what, "success")
	r.total.WithLabelValues(what, "failure")
	return &Reload{what: what, all: r}
}

// Reload counts the reloads of one thing.
type Reload struct {
	what string
	all  *reloads
}

// Reloaded counts content with this hash that came into force.
func (r *Reload) Reloaded(hash string, at time.Time) {
	r.all.total.WithLabelValues(r.what, "success").Inc()
	r.all.successful.WithLabelValues(r.what).Set(1)
	r.all.last.WithLabelValues(r.what).Set(float64(at.UnixMilli()) / 1000)
	if r.what == "configuration" {
		r.all.info.Reset() // of other hashes
		r.all.info.WithLabelValues(hash).Set(1)
	}
}

// ReloadFailed counts newer content that was refused.
func (r *Reload) ReloadFailed(time.Time) {
	r.all.total.WithLabelValues(r.what, "failure").Inc()
	r.all.successful.WithLabelValues(r.what).Set(0)
}
