package serve

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
)

// observer counts and logs each call of the webhook. The line names the pod and
// never shows it.
func observer(m *metrics.Metrics, log *slog.Logger) func(admission.Event) {
	return func(ev admission.Event) {
		m.Request(string(ev.Decision), result(ev), ev.Duration)
		if ev.Limit != "" {
			return // who is turned away is logged at a bounded rate
		}
		level := levelOf(ev, m, ev.Outcome == decide.Refuse)
		ctx := context.Background()
		if log.Enabled(ctx, level) {
			log.LogAttrs(ctx, level, "injection", attributes(ev)...)
		}
	}
}

// levelOf is the level at which a call is logged, and counts a panic.
func levelOf(ev admission.Event, m *metrics.Metrics, notable bool) slog.Level {
	switch {
	case ev.Stack != nil:
		m.Panicked()
		return slog.LevelError
	case ev.HTTPStatus != http.StatusOK, notable:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// defectObserver counts the defects of evaluating templates in part, and logs the
// first of each template: another one may follow with every pod.
func defectObserver(m *metrics.Metrics, log *slog.Logger) func(template string, defect error) {
	var logged sync.Map
	return func(template string, defect error) {
		m.TemplateDefect()
		if _, before := logged.LoadOrStore(template, true); !before {
			log.Error("a template is executed in the slower way because of a fault of the injector, please report it; pods are injected correctly",
				"template", template, "error", defect)
		}
	}
}

func result(ev admission.Event) metrics.Result {
	switch {
	case ev.HTTPStatus != http.StatusOK, ev.Outcome == decide.Refuse:
		return metrics.Failed
	case ev.Outcome == decide.Inject:
		return metrics.Injected
	}
	return metrics.Skipped
}

func attributes(ev admission.Event) []slog.Attr {
	if ev.HTTPStatus != http.StatusOK {
		attrs := []slog.Attr{
			slog.Int("status", ev.HTTPStatus),
			slog.String("peer", ev.Peer),
			slog.String("address", ev.Address),
			slog.String("error", ev.Error),
			slog.Int64("microseconds", ev.Duration.Microseconds()),
		}
		if ev.Stack != nil {
			attrs = append(attrs, slog.String("stack", string(ev.Stack)))
		}
		return attrs
	}
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("decision", string(ev.Decision)),
		slog.String("namespace", ev.Namespace),
		slog.String("pod", ev.Name),
		slog.String("owner", owner(ev)),
		slog.String("uid", ev.UID),
		slog.String("templates", strings.Join(ev.Templates, ",")),
		slog.String("peer", ev.Peer),
		slog.String("address", ev.Address),
		slog.Int64("microseconds", ev.Duration.Microseconds()),
	)
	if ev.DryRun {
		attrs = append(attrs, slog.Bool("dryRun", true))
	}
	if ev.Outcome == decide.Refuse || ev.Decision == admission.NotApplicable {
		attrs = append(attrs, slog.String("sentence", ev.Message))
	}
	if ev.Error != "" {
		attrs = append(attrs, slog.String("error", ev.Error), slog.String("stack", string(ev.Stack)))
	}
	return attrs
}

func owner(ev admission.Event) string {
	if ev.OwnerKind == "" || ev.OwnerName == "" {
		return ev.OwnerKind // a pod of its own that has no name yet is its own owner
	}
	return ev.OwnerKind + "/" + ev.OwnerName
}
