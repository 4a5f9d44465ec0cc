package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/health"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/server"
)

// startWait is how long the start waits for the API server when the mounted
// configuration alone is no good.
const startWait = 10 * time.Second

// service is the running program: what the parts share.
type service struct {
	o       *options
	env     map[string]string
	log     *slog.Logger
	build   buildinfo.Info
	metrics *metrics.Metrics
	trouble *trouble.Log
	parts   *parts

	api           *kube.Clients // nil: no API server
	cluster       *cluster
	followers     []*follower
	configuration *reload.Loop[*inject.Snapshot]
	injectMap     *liveMap
	meshMap       *liveMap
	holder        certs.CertificateSource
	certFiles     *reload.Loop[*certs.Certificate]
	callers       *reload.Loop[[]*x509.Certificate] // nil: callers need no certificate
	ownClient     *tls.Certificate
	readiness     *certs.Readiness

	webhook, monitoring *server.Server
	selfCheck           *health.SelfCheck
}

// serve runs the server until ctx is done and what is open has finished.
func (p *program) serve(ctx context.Context, o *options) error {
	log := newLogger(o, p.stderr)
	if len(o.ignored) > 0 {
		log.Warn("flags of the classic injector that have no meaning any more", "flags", strings.Join(o.ignored, " "))
	}
	if _, set := p.env["GOMEMLIMIT"]; !set {
		if limit := memoryLimit(os.DirFS("/")); limit > 0 {
			debug.SetMemoryLimit(limit)
			log.Debug("memory limit", "bytes", limit)
		}
	}
	build := p.build()
	s := &service{
		o: o, env: p.env, log: log, build: build,
		metrics: metrics.New(metrics.Build(build), time.Now),
		trouble: trouble.New(log, clock.RealClock{}),
		parts:   newParts(ctx),
	}
	log.Info("sidecar-injector starts", "version", build.Version, "revision", o.revision)
	err := s.start()
	if err == nil {
		err = s.run(ctx)
	} else {
		s.close()
	}
	// Why a part failed says more than that the server was stopped for it.
	return errors.Join(s.parts.stop(), err)
}

// start brings up everything but the listening. What fails here ends the
// program.
func (s *service) start() error {
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.loadConfiguration(); err != nil {
		return err
	}
	if err := s.loadCertificates(); err != nil {
		return err
	}
	if err := s.keepCertificates(); err != nil {
		return err
	}
	return s.listen()
}

// connect finds out how to reach the API server, where one is needed or of use.
func (s *service) connect() error {
	s.cluster = &cluster{mode: s.o.nativeSidecars}
	cfg, err := kube.Config(s.o.kubeconfig, "sidecar-injector/"+s.build.Version+" ("+runtime.GOOS+"/"+runtime.GOARCH+")")
	if err != nil {
		if needs := s.o.needAPI(); needs != "" {
			return fmt.Errorf("%s needs an API server: %w", needs, err)
		}
		s.log.Info("works without an API server", "nativeSidecars", s.cluster.NativeSidecars(""))
		return nil
	}
	if s.api, err = kube.NewClients(cfg); err != nil {
		return err
	}
	s.followCluster()
	return nil
}

// needAPI names the flag because of which there must be an API server.
func (o *options) needAPI() string {
	switch {
	case o.reconcileWebhookConfig:
		return "--reconcileWebhookConfig=true"
	case o.certSecret != "":
		return "--certSecret"
	case o.injectConfigMap != "":
		return "--injectConfigMap"
	case o.meshConfigMap != "":
		return "--meshConfigMap"
	case o.kubeconfig != "":
		return "--kubeconfig"
	}
	return ""
}

// loadConfiguration loads the first configuration and keeps it in step.
func (s *service) loadConfiguration() error {
	source := &configSource{
		o: s.o, log: s.log,
		inject: s.o.injectOptions(s.env, s.cluster),
	}
	s.configuration = reload.New(reload.Options[*inject.Snapshot]{
		Name: "configuration", Load: source.load, Log: s.log, Recorder: s.metrics.Reload("configuration"),
	})
	s.followConfigMaps(source)
	if err := s.firstConfiguration(); err != nil {
		return err
	}
	s.parts.start("configuration", s.configuration.Run)
	s.watchFiles("configuration files", s.configuration.Poke, s.o.injectConfig, s.o.injectValues, s.o.meshConfig)
	return nil
}

// firstConfiguration loads from the files, and, when they are no good, from the
// ConfigMaps: a mount may still be as it was before somebody mended them.
func (s *service) firstConfiguration() error {
	err := s.configuration.Reload()
	if err == nil {
		return nil
	}
	var arrived []<-chan struct{}
	for _, m := range []*liveMap{s.injectMap, s.meshMap} {
		if m != nil {
			arrived = append(arrived, m.follower.attempted)
		}
	}
	if arrived == nil {
		return err
	}
	s.log.Warn("the mounted configuration is no good, looking at the API server", "error", err, "for", startWait)
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	for _, a := range arrived {
		select {
		case <-a:
		case <-timer.C:
			return err
		}
	}
	return s.configuration.Reload()
}

// listen takes both ports.
func (s *service) listen() error {
	var clientCAs func() *x509.CertPool
	if s.callers != nil {
		clientCAs = s.callerPool
	}
	var err error
	s.webhook, err = server.Listen(server.Options{
		Name: "webhook", Flag: "--port", Address: fmt.Sprintf(":%d", s.o.port),
		Handler: s.webhookHandler(),
		TLS:     server.TLSConfig(s.holder.GetCertificate, clientCAs),
		Refused: func() { s.metrics.Rejected("connections") },
		Delay:   s.o.shutdownDelay, Timeout: s.o.shutdownTimeout, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.selfCheck = &health.SelfCheck{
		Port: s.webhook.Port(), Path: healthPath,
		Trust: trust(&s.holder), Certificate: s.ownClient,
		Timeout: selfCheckTimeout, MaxAge: time.Second, Now: time.Now,
	}
	s.monitoring, err = server.Listen(server.Options{
		Name: "monitoring", Flag: "--monitoringPort", Address: fmt.Sprintf(":%d", s.o.monitoringPort),
		Handler: s.monitoringHandler(), MaxConnections: 64, Timeout: time.Second, Log: s.log,
	})
	return err
}

// run serves until ctx is done or a part fails.
func (s *service) run(ctx context.Context) error {
	s.parts.start("monitoring server", s.monitoring.Run)
	s.parts.start("self check", s.keepChecking)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(s.parts.ctx, stop)
	return s.webhook.Run(ctx)
}

// close frees the ports of a program that did not get to serving.
func (s *service) close() {
	for _, srv := range []*server.Server{s.webhook, s.monitoring} {
		if srv != nil {
			_ = srv.Close()
		}
	}
}

// engine is the configuration in force, for the admission handler.
func (s *service) engine() admission.Engine {
	v := s.configuration.Current()
	if v == nil {
		return nil
	}
	return v.Value
}
