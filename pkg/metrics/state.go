package metrics

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// state tells how the injector is doing at the moment of the scrape. It is asked
// for, not reported: what is reported now and then is silent when the reporter is
// stuck.
type state struct{ ready, bundles, troubles *asked }

func newState() state {
	return state{
		ready: &asked{descs: []*prometheus.Desc{
			prometheus.NewDesc("sidecar_injector_ready",
				"1 when every readiness check is good, else 0.", nil, nil),
			prometheus.NewDesc("sidecar_injector_check_ok",
				"1 when this readiness check is good, else 0; /readyz says why.", []string{"check"}, nil),
		}},
		bundles: &asked{descs: []*prometheus.Desc{
			prometheus.NewDesc("sidecar_injector_cabundle_matches",
				"1 when the caBundle of a webhook configuration, as last seen, verifies the serving certificate, else 0. Absent where the injector does not look after it, or it does not exist.",
				[]string{"webhook_config"}, nil),
		}},
		troubles: &asked{descs: []*prometheus.Desc{
			prometheus.NewDesc("sidecar_injector_trouble",
				"1 while something is wrong with certificates, caBundle or the API server; the log has a line with the same name that says what.",
				[]string{"trouble"}, nil),
		}},
	}
}

func (s *state) all() []prometheus.Collector {
	return []prometheus.Collector{s.ready, s.bundles, s.troubles}
}

// Readiness tells the outcome of checks at each scrape. run returns, by the
// checks' names, whether they are good, within some seconds; the injector is
// ready when all are. It is called from several goroutines at one time.
func (s *state) Readiness(run func(context.Context) map[string]bool) {
	s.ready.by(func(emit func(desc int, value bool, labels ...string)) {
		ready := true
		for name, good := range run(context.Background()) {
			ready = ready && good
			emit(1, good, name)
		}
		emit(0, ready)
	})
}

// CABundles tells at each scrape which webhook configurations have a caBundle
// that verifies the serving certificate. matches returns that by their names,
// without those of which nothing is known. It is called from several goroutines
// at one time.
func (s *state) CABundles(matches func() map[string]bool) {
	s.bundles.by(func(emit func(desc int, value bool, labels ...string)) {
		for name, good := range matches() {
			emit(0, good, name)
		}
	})
}

// Troubles tells at each scrape what is wrong. open returns distinct names and is
// called from several goroutines at one time.
func (s *state) Troubles(open func() []string) {
	s.troubles.by(func(emit func(desc int, value bool, labels ...string)) {
		for _, name := range open() {
			emit(0, true, name)
		}
	})
}

// asked is a collector of gauges of 1 and 0 that come from a function, and of
// none before there is one.
type asked struct {
	descs []*prometheus.Desc

	mu  sync.Mutex // guards ask, not its calls
	ask func(emit func(desc int, value bool, labels ...string))
}

func (a *asked) by(ask func(emit func(desc int, value bool, labels ...string))) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ask = ask
}

// Describe implements prometheus.Collector.
func (a *asked) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range a.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (a *asked) Collect(ch chan<- prometheus.Metric) {
	a.mu.Lock()
	ask := a.ask
	a.mu.Unlock()
	if ask == nil {
		return
	}
	ask(func(desc int, value bool, labels ...string) {
		v := 0.0
		if value {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(a.descs[desc], prometheus.GaugeValue, v, labels...)
	})
}
