// Package serve is the webhook server: it connects all parts of it. [Run] is the
// whole wiring.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/clientauth"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/clusterinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/follower"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/servingcert"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/health"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/server"
)

// Probes and scrapes come from nearby and are short. Connections that are not used are
// closed soon, because the port has few.
const (
	monitoringRequestTimeout = 2 * time.Second
	monitoringIdleTimeout    = 20 * time.Second
)

// Options are what the server is told, valid as a whole. Errors name the flags of
// the program that set them.
type Options struct {
	// Files, InjectConfigMap and MeshConfigMap are where the configuration comes from,
	// see [source.Options].
	Files                          source.Files
	InjectConfigMap, MeshConfigMap string
	// LastGoodConfigMap and LastGoodDir are where the last good configuration is
	// recorded, see [source.Options].
	LastGoodConfigMap, LastGoodDir string

	Revision         string
	Platform         string
	CompliancePolicy string
	NativeSidecars   string            // auto, on, off
	TemplateEnv      map[string]string // what the template function env may read

	// CertFile to RotationPolicy are the serving certificate, see
	// [servingcert.Options].
	CertFile, KeyFile, CAFile string
	CertSecret                string
	Service, ClusterDomain    string
	RotationPolicy            certs.Policy
	ReconcileWebhookConfig    bool
	WebhookConfigNames        []string
	WebhookName               string
	GuardConfigNames          []string
	// InjectorImage is the image that this server runs, see [guard.Options].
	InjectorImage string

	// ClientCAFile holds the CAs of callers; empty: callers need no certificate.
	ClientCAFile string
	// ClientNames are the names that a caller's certificate may have, as its common name
	// or a DNS name; none: any certificate of the CAs will do.
	ClientNames []string
	// Limits of what the webhook has open at one time, see [admission.Limits].
	Limits admission.Limits
	// Kubeconfig is a file; empty: the pod's service account.
	Kubeconfig string

	Port, MonitoringPort           int // 0: any free one
	ShutdownDelay, ShutdownTimeout time.Duration
	// HealthCheckFile is touched every HealthCheckInterval in which the server answers
	// itself; empty or 0: never.
	HealthCheckFile     string
	HealthCheckInterval time.Duration

	Build buildinfo.Info
	Log   *slog.Logger
	// DroppedLogLines returns how many lines of Log could not be written; may be nil.
	DroppedLogLines func() int64
}

// needsAPI names the flag because of which there must be an API server; empty when
// there need not be one.
func (o *Options) needsAPI() string {
	switch {
	case o.ReconcileWebhookConfig:
		return "--reconcileWebhookConfig=true"
	case o.CertSecret != "":
		return "--certSecret"
	case o.InjectConfigMap != "":
		return "--injectConfigMap"
	case o.MeshConfigMap != "":
		return "--meshConfigMap"
	case o.LastGoodConfigMap != "":
		return "--lastGoodConfigMap"
	case o.Kubeconfig != "":
		return "--kubeconfig"
	}
	return ""
}

// Run serves until ctx is done and open requests have finished, or until a part
// of the server fails.
func Run(ctx context.Context, o Options) error {
	group := rungroup.New(ctx)
	bound, cancel := group.Bind(ctx)
	defer cancel()
	webhook, err := start(bound, group, o)
	if err == nil {
		err = webhook.Run(bound)
	}
	// Why a part failed says more than that the server was stopped for it.
	return errors.Join(group.Stop(), err)
}

// start starts all parts of the server in the group, each when what it needs is
// there, and returns the webhook's server, which holds its port and does not serve
// yet. ctx ends what is waited for meanwhile.
func start(ctx context.Context, group *rungroup.Group, o Options) (*server.Server, error) {
	m := metrics.New(metrics.Build(o.Build), time.Now)
	if o.DroppedLogLines != nil {
		m.DroppedLogLines(o.DroppedLogLines)
	}
	troubles := trouble.New(o.Log, clock.RealClock{})

	api, err := connect(o)
	if err != nil {
		return nil, err
	}
	cluster := clusterinfo.New(o.NativeSidecars)
	followers := followCluster(group, o, api, cluster, troubles)

	configuration, err := source.Start(ctx, group, source.Options{
		Files: o.Files, InjectConfigMap: o.InjectConfigMap, MeshConfigMap: o.MeshConfigMap,
		LastGoodConfigMap: o.LastGoodConfigMap, LastGoodDir: o.LastGoodDir, Version: o.Build.Version,
		ConfigMaps: func(namespace string) lastgood.Client { return api.ConfigMaps(namespace) },
		Events:     func(namespace string) lastgood.Events { return api.Events(namespace) },
		Inject: inject.Options{
			Revision: o.Revision, Platform: o.Platform, CompliancePolicy: o.CompliancePolicy,
			Env: o.TemplateEnv, Cluster: cluster, OnDefect: defectObserver(m, o.Log),
		},
		Recorder: m.Reload("configuration"), Log: o.Log, Trouble: troubles,
	})
	if err != nil {
		return nil, err
	}
	followers = append(followers, configuration.Followers()...)

	certificates, err := servingcert.Start(group, servingcert.Options{
		CertFile: o.CertFile, KeyFile: o.KeyFile, CAFile: o.CAFile,
		Secret: o.CertSecret, Service: o.Service, ClusterDomain: o.ClusterDomain, Policy: o.RotationPolicy,
		ReconcileCABundle: o.ReconcileWebhookConfig, WebhookConfigs: o.WebhookConfigNames, Webhook: o.WebhookName, GuardConfigs: o.GuardConfigNames,
		API: api, Metrics: m, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	m.CABundles(certificates.CABundleMatches)
	m.LastGood(func() bool { return configuration.State().LastGood })
	m.Troubles(func() []string { return union(troubles.Open(), configuration.Troubles(), certificates.Troubles()) })

	turnedAway := newRejections(m, o.Log, clock.RealClock{})
	tlsConfig, ownCertificate, err := webhookTLS(group, o, m, certificates, turnedAway)
	if err != nil {
		return nil, err
	}
	webhook, err := server.Listen(server.Options{
		Name: "webhook", Flag: "--port", Address: fmt.Sprintf(":%d", o.Port),
		Handler: webhookHandler(configuration, m, o.Log, o.Limits, turnedAway.call, configurationGuard(o, api, configuration, m, turnedAway.call)),
		TLS:     tlsConfig,
		Refused: turnedAway.connection,
		Delay:   o.ShutdownDelay, Timeout: o.ShutdownTimeout, Log: o.Log,
		NeverReady: func() bool { return configuration.Current() == nil },
	})
	if err != nil {
		return nil, err
	}
	checks := &checks{
		selfCheck: &health.SelfCheck{
			Port: webhook.Port(), Path: healthPath,
			Trust: certificates.SelfTrust, Certificate: ownCertificate,
			Timeout: selfCheckTimeout, MaxAge: time.Second, Now: time.Now,
		},
		configuration: configuration, certificates: certificates, followers: followers,
		webhook: webhook, turnedAway: turnedAway, options: o, troubles: troubles,
	}
	ready := health.NewSet("ready", readyTimeout, o.Log, checks.ready()...)
	m.Readiness(ready.Outcomes)
	monitoring, err := server.Listen(server.Options{
		Name: "monitoring", Flag: "--monitoringPort", Address: fmt.Sprintf(":%d", o.MonitoringPort),
		Handler: monitoringHandler(endpoints{
			metrics: m.Handler(),
			alive:   health.NewSet("alive", readyTimeout, o.Log, checks.alive()...),
			ready:   ready,
			version: o.Build,
			config:  func() debugConfig { return describe(o.Revision, configuration, certificates, cluster) },
		}),
		MaxConnections: 64, Timeout: time.Second, Log: o.Log,
		RequestTimeout: monitoringRequestTimeout, IdleTimeout: monitoringIdleTimeout,
	})
	if err != nil {
		_ = webhook.Close() // the port was never served
		return nil, err
	}
	group.Go("monitoring server", monitoring.Run)
	group.Go("self check", checks.keepChecking)
	return webhook, nil
}

// webhookTLS returns how the webhook's port is secured, and what the server's own
// client presents there; nil where callers need no certificate.
func webhookTLS(group *rungroup.Group, o Options, m *metrics.Metrics, certificates *servingcert.Keeper, turnedAway *rejections) (*tls.Config, *tls.Certificate, error) {
	if o.ClientCAFile == "" {
		return server.TLSConfig(certificates.GetCertificate, nil), nil, nil
	}
	callers, err := clientauth.Start(group, clientauth.Options{
		File: o.ClientCAFile, Names: o.ClientNames, Refused: turnedAway.identity,
		Log: o.Log, Recorder: m.Reload("client-ca"),
	})
	if err != nil {
		return nil, nil, err
	}
	config := server.TLSConfig(certificates.GetCertificate, callers.Pool)
	config.VerifyConnection = callers.Verify
	return config, callers.OwnCertificate(), nil
}

// connect returns clients for the API server; nil where there is none and none is
// needed.
func connect(o Options) (*kube.Clients, error) {
	userAgent := "sidecar-injector/" + o.Build.Version + " (" + runtime.GOOS + "/" + runtime.GOARCH + ")"
	config, err := kube.Config(o.Kubeconfig, userAgent)
	if err == nil {
		return kube.NewClients(config)
	}
	if flag := o.needsAPI(); flag != "" {
		return nil, fmt.Errorf("%s needs an API server: %w", flag, err)
	}
	o.Log.Info("works without an API server", "nativeSidecars", o.NativeSidecars == "on")
	return nil, nil
}

// followCluster follows what the engine asks about the cluster, where there is one.
func followCluster(group *rungroup.Group, o Options, api *kube.Clients, cluster *clusterinfo.Cache, troubles *trouble.Log) []*follower.Follower {
	if api == nil {
		return nil
	}
	followers := []*follower.Follower{cluster.NamespaceFollower(api.Namespaces(), troubles)}
	if o.NativeSidecars == "auto" {
		followers = append(followers, cluster.NodeFollower(api.Nodes(), troubles))
	}
	for _, f := range followers {
		group.Go(f.What(), f.Run)
	}
	return followers
}
