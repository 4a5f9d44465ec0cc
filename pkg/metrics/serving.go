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
			Help: "Callers turned away because of a limit: requests, bytes, connections, reading (bodies being read), pace (a body that does not come), time (no turn in the caller's time), identity (the name in the caller's certificate).",
		}, []string{"limit"}),
	}
	// A series that is absent until it counts cannot be alerted on with rate().
	for _, limit := range []string{"requests", "bytes", "connections", "reading", "pace", "time", "identity"} {
		s.rejected.WithLabelValues(limit)
	}
	return s
}

func (s *serving) all() []prometheus.Collector {
	return []prometheus.Collector{s.inFlight, s.rejected}
}

// InFlight changes the number of calls being answered.
func (s *serving) InFlight(delta int) { s.inFlight.Add(float64(delta)) }

// Rejected counts a caller turned away because of the named limit.
func (s *serving) Rejected(limit string) { s.rejected.WithLabelValues(limit).Inc() }
