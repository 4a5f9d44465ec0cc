// Package metrics counts what the injector does, for Prometheus. No other package
// knows Prometheus: they call the small methods of [Metrics], most of them through
// interfaces of their own, and [Metrics.Handler] answers scrapes.
//
// What is counted from the start is there from the start, at zero, because an
// alert on a rate does not see a series that begins with its first increase. What
// describes a state is asked for at each scrape, see [Metrics.Readiness], because
// a state that is reported now and then looks current when its reporter is stuck.
package metrics
