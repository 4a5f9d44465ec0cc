package metrics

import "github.com/prometheus/client_golang/prometheus"

type guard struct{ reviews *prometheus.CounterVec }

func newGuard() guard {
	return guard{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sidecar_injector_configuration_reviews_total",
		Help: "Changes of the injector's own ConfigMaps that an API server asked about before it stored them, by what was decided.",
	}, []string{"decision"})}
}

func (g *guard) all() []prometheus.Collector { return []prometheus.Collector{g.reviews} }

// ConfigurationReviews names all decisions about configurations, so that each is
// there from the start.
func (g *guard) ConfigurationReviews(decisions ...string) {
	for _, d := range decisions {
		g.reviews.WithLabelValues(d)
	}
}

// ConfigurationReviewed counts a decision about a configuration that is to be stored.
func (g *guard) ConfigurationReviewed(decision string) { g.reviews.WithLabelValues(decision).Inc() }
