package metrics

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// state is how the injector is doing at the moment of the scrape. It is asked for at
// each scrape, because a value that is reported now and then looks current when its
// reporter is stuck.
type state struct{ ready, bundles, lastGood, troubles *callback }

func newState() state {
	return state{
		ready: &callback{descs: []*prometheus.Desc{
			prometheus.NewDesc("sidecar_injector_ready",
				"1 when every readiness check is good, else 0.", nil, nil),
			prometheus.NewDesc("sidecar_injector_check_ok",
				"1 when this readiness check is good, else 0; /readyz says why.", []string{"check"}, nil),
		}},
		bundles: &callback{descs: []*prometheus.Desc{
			prometheus.NewDesc("sidecar_injector_cabundle_matches",
				"1 when the caBundle of a webhook configuration, as last seen, verifies the serving certificate, else 0. Absent where the injector does not look after it, or it does not exist.",
				[]string{"webhook_config"}, nil),
		}},
		lastGood: &callback{descs: []*prometheus.Desc{
			prometheus.NewDesc("sidecar_injector_serves_last_good",
				"1 while the newest configuration is refused and the last good one is served instead, else 0.", nil, nil),
		}},
		troubles: &callback{descs: []*prometheus.Desc{
			prometheus.NewDesc("sidecar_injector_trouble",
				"1 while something is wrong with configuration, certificates, caBundle or the API server; the log has a line with the same name that says what.",
				[]string{"trouble"}, nil),
		}},
	}
}

func (s *state) all() []prometheus.Collector {
	return []prometheus.Collector{s.ready, s.bundles, s.lastGood, s.troubles}
}

// Readiness sets the function that runs the readiness checks at each scrape. It
// returns, by the checks' names, which succeeded, and takes some seconds at most;
// the injector is ready when all did. It is called from several goroutines at one
// time.
func (s *state) Readiness(run func(context.Context) map[string]bool) {
	s.ready.set(func(emit func(desc int, value bool, labels ...string)) {
		ready := true
		for name, good := range run(context.Background()) {
			ready = ready && good
			emit(1, good, name)
		}
		emit(0, ready)
	})
}

// CABundles sets the function that returns at each scrape, by name, which webhook
// configurations have a caBundle that verifies the serving certificate, without
// those of which nothing is known. It is called from several goroutines at one
// time.
func (s *state) CABundles(matches func() map[string]bool) {
	s.bundles.set(func(emit func(desc int, value bool, labels ...string)) {
		for name, good := range matches() {
			emit(0, good, name)
		}
	})
}

// LastGood sets the function that says at each scrape whether the last good
// configuration is served in the place of the newest. It is called from several
// goroutines at one time.
func (s *state) LastGood(served func() bool) {
	s.lastGood.set(func(emit func(desc int, value bool, labels ...string)) { emit(0, served()) })
}

// Troubles sets the function that returns at each scrape the names of what is
// wrong, each once. It is called from several goroutines at one time.
func (s *state) Troubles(open func() []string) {
	s.troubles.set(func(emit func(desc int, value bool, labels ...string)) {
		for _, name := range open() {
			emit(0, true, name)
		}
	})
}

// callback is a collector of gauges with the values 1 and 0 that a function emits,
// and of none before a function is set.
type callback struct {
	descs []*prometheus.Desc

	mu      sync.Mutex // guards collect, not its calls
	collect func(emit func(desc int, value bool, labels ...string))
}

func (c *callback) set(collect func(emit func(desc int, value bool, labels ...string))) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.collect = collect
}

// Describe implements prometheus.Collector.
func (c *callback) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *callback) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	collect := c.collect
	c.mu.Unlock()
	if collect == nil {
		return
	}
	collect(func(desc int, value bool, labels ...string) {
		v := 0.0
		if value {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(c.descs[desc], prometheus.GaugeValue, v, labels...)
	})
}
