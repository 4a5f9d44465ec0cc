package metrics

import "github.com/prometheus/client_golang/prometheus"

type serving struct {
	inFlight prometheus.Gauge
	rejected *prometheus.CounterVec
}

func newServing() serving {
	s := serving{
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sidecar_injector_requests_in_flight",
			Help: "Calls of the webhook that are being answered.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidecar_injector_rejected_total",
			Help: "Calls turned away unread because a limit was reached: requests, bytes, connections.",
		}, []string{"limit"}),
	}
	// A series that is absent until it counts cannot be alerted on with rate().
	for _, limit := range []string{"requests", "bytes", "connections"} {
		s.rejected.WithLabelValues(limit)
	}
	return s
}

func (s *serving) all() []prometheus.Collector {
	return []prometheus.Collector{s.inFlight, s.rejected}
}

// InFlight changes the number of calls being answered.
func (s *serving) InFlight(delta int) { s.inFlight.Add(float64(delta)) }

// Rejected counts a call turned away because of the named limit.
func (s *serving) Rejected(limit string) { s.rejected.WithLabelValues(limit).Inc() }
