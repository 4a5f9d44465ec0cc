package serve

import (
	"context"
	"log/slog"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/guard"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/server"
)

// configurationGuard returns what judges the ConfigMaps that the server follows before
// they are stored.
func configurationGuard(o Options, api *kube.Clients, configuration *source.Source, m *metrics.Metrics, turnedAway func(*admission.Rejection)) http.Handler {
	// The names are valid, or the configuration would not have been loaded; an empty
	// one names no ConfigMap.
	injection, _ := kube.ParseName(o.InjectConfigMap)
	mesh, _ := kube.ParseName(o.MeshConfigMap)
	g := guard.Options{
		Injection: injection, Mesh: mesh, Judge: configuration, Image: o.InjectorImage,
		Observe: guardObserver(m, o.Log), Peer: server.Peer, Rejected: turnedAway,
	}
	if api != nil {
		g.Read = func(ctx context.Context, name types.NamespacedName) (*corev1.ConfigMap, error) {
			return api.ConfigMaps(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
		}
	}
	m.ConfigurationReviews(string(guard.Accepted), string(guard.Refused), string(guard.NotJudged), string(guard.Unchanged))
	return guard.NewHandler(g)
}

// guardObserver counts and logs each decision about a configuration. The line says
// nothing of what is in it.
func guardObserver(m *metrics.Metrics, log *slog.Logger) func(admission.Event) {
	return func(ev admission.Event) {
		if ev.Limit != "" {
			return // who is turned away is logged at a bounded rate
		}
		level := levelOf(ev, m, ev.Decision == guard.Refused || ev.Decision == guard.NotJudged)
		attrs := []slog.Attr{slog.Int("status", ev.HTTPStatus)}
		if ev.HTTPStatus == http.StatusOK {
			m.ConfigurationReviewed(string(ev.Decision))
			attrs = []slog.Attr{
				slog.String("decision", string(ev.Decision)),
				slog.String("configMap", ev.Namespace+"/"+ev.Name),
				slog.String("sentence", ev.Message),
				slog.Bool("dryRun", ev.DryRun),
				slog.String("uid", ev.UID),
			}
		}
		if ev.Error != "" {
			attrs = append(attrs, slog.String("error", ev.Error), slog.String("stack", string(ev.Stack)))
		}
		attrs = append(attrs, slog.String("peer", ev.Peer), slog.String("address", ev.Address), slog.Int64("microseconds", ev.Duration.Microseconds()))
		log.LogAttrs(context.Background(), level, "configuration review", attrs...)
	}
}
