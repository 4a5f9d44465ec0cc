package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// loadCertificates loads the files that the server starts with. Where a Secret
// is followed, missing ones are no error: the Secret brings them.
func (s *service) loadCertificates() error {
	s.certFiles = reload.New(reload.Options[*certs.Certificate]{
		Name: "certificate", Log: s.log, Recorder: s.metrics.Reload("certificate"),
		Load: certificateFiles(s.o, &s.holder, time.Now),
	})
	err := s.certFiles.Reload()
	switch {
	case err == nil:
		b := s.certFiles.Current().Value
		s.holder.Set(b)
		s.recordExpiry(b)
		if err := usable(b, time.Now()); err != nil {
			s.log.Warn("callers will not accept the serving certificate", "file", s.o.tlsCertFile, "error", err)
		}
	case s.o.certSecret != "" && errors.Is(err, fs.ErrNotExist):
		s.log.Warn("no certificate files, waiting for the secret", "secret", s.o.certSecret, "error", err)
	default:
		return err
	}
	return s.loadCallers()
}

// loadCallers loads the CAs of callers, where callers must present a certificate.
func (s *service) loadCallers() error {
	if s.o.clientCAFile == "" {
		return nil
	}
	s.callers = reload.New(reload.Options[[]*x509.Certificate]{
		Name: "client CA", Log: s.log, Recorder: s.metrics.Reload("client-ca"),
		Load: clientCAs(s.o.clientCAFile),
	})
	if err := s.callers.Reload(); err != nil {
		return err
	}
	var err error
	if s.ownClient, err = ownClient(time.Now()); err != nil {
		return fmt.Errorf("certificate for the self check: %w", err)
	}
	s.parts.start("client CA", s.callers.Run)
	s.watchFiles("client CA file", s.callers.Poke, s.o.clientCAFile)
	return nil
}

// callerPool is what a caller's certificate must verify against.
func (s *service) callerPool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range s.callers.Current().Value {
		pool.AddCert(c)
	}
	pool.AddCert(s.ownClient.Leaf)
	return pool
}

func (s *service) watchFiles(name string, changed func(), files ...string) {
	s.parts.start(name, func(ctx context.Context) error {
		return reload.WatchFiles(ctx, files, reload.DefaultPoll, s.log, changed)
	})
}

// keepCertificates starts what renews the certificate and keeps caBundle right:
// from the Secret, or from the files.
func (s *service) keepCertificates() error {
	reconciler, err := s.reconciler()
	if err != nil {
		return err
	}
	tellers := []func() []string{s.trouble.Open}
	defer func() { s.metrics.Troubles(func() []string { return openTroubles(tellers) }) }()
	var trust certs.CABundle // a nil *Reconciler in the interface would not be nil
	if reconciler != nil {
		trust = reconciler
		tellers = append(tellers, reconciler.Troubles)
		s.metrics.CABundles(func() map[string]bool { return s.bundlesThatFit(reconciler) })
		s.parts.start("caBundle", reconciler.Run)
	}
	if s.o.certSecret == "" {
		s.readiness = certs.NewReadiness(&s.holder, trust, nil, clock.RealClock{})
		s.followCertificateFiles(reconciler)
		return nil
	}
	name, err := kube.ParseName(s.o.certSecret)
	if err != nil {
		return fmt.Errorf("--certSecret: %w", err)
	}
	hosts, commonName := s.certificateNames(name.Namespace)
	policy := s.o.certPolicy(name, hosts, commonName)
	controller, err := certs.New(certs.Options{
		Store: certs.NewStore(s.api.Secrets(name.Namespace), name.Name), Secret: name, CABundle: trust, Source: &s.holder, Policy: policy,
		Clock: clock.RealClock{}, Rand: rand.Float64, Log: s.log, Recorder: s.metrics,
	})
	if err != nil {
		return err
	}
	s.readiness = certs.NewReadiness(&s.holder, trust, hosts, clock.RealClock{})
	tellers = append(tellers, controller.Troubles)
	s.parts.start("certificates", controller.Run)
	return nil
}

// openTroubles names what is wrong now, each trouble once.
func openTroubles(tellers []func() []string) []string {
	var open []string
	for _, tell := range tellers {
		open = append(open, tell()...)
	}
	slices.Sort(open)
	return slices.Compact(open)
}

// bundlesThatFit says which webhook configurations have a caBundle that verifies
// what is served.
func (s *service) bundlesThatFit(reconciler *webhookcfg.Reconciler) map[string]bool {
	served := s.holder.Current()
	if served == nil {
		return nil // nothing that could match
	}
	now := time.Now()
	return reconciler.Fits(func(roots []*x509.Certificate) bool { return verifies(roots, served, now) })
}

// verifies reports whether the served certificate leads to roots. That it is
// expired by itself is not their fault, and another metric's matter.
func verifies(roots []*x509.Certificate, served *certs.Certificate, now time.Time) bool {
	return pki.KindOf(served.Leaf.CheckServing(pki.ServingCheck{Now: now, Roots: roots})) != pki.Untrusted
}

// certificateNames says what certificates in the Secret are made for. Without a
// flag the names of the files go on: whoever made those knew the Service.
func (s *service) certificateNames(namespace string) (hosts []string, commonName string) {
	service := s.o.service
	if service == "" {
		if b := s.holder.Current(); b != nil && len(b.Leaf.Cert.DNSNames) > 0 {
			return b.Leaf.Cert.DNSNames, b.Leaf.Cert.Subject.CommonName
		}
		service = classicService
	}
	return pki.ServiceHosts(service, namespace, s.o.clusterDomain), service
}

// classicService is the Service's name in the classic chart.
const classicService = "istio-sidecar-injector"

// certPolicy says which certificates are wanted.
func (o *options) certPolicy(name types.NamespacedName, hosts []string, commonName string) certs.Policy {
	return certs.Policy{
		Hosts: hosts, CommonName: commonName, CA: pki.CASubject(name.Namespace, name.Name),
		CAValidity: o.caValidity, CertValidity: o.certValidity,
		CARenewBefore: o.caRenewBefore, RenewBefore: o.renewBefore,
		TrustPropagation: o.trustPropagation, ReadOnly: !o.rotateCertificates,
	}.Complete()
}

// reconciler keeps the caBundle right; nil when the flags say not to.
func (s *service) reconciler() (*webhookcfg.Reconciler, error) {
	if !s.o.reconcileWebhookConfig {
		return nil, nil
	}
	opt := webhookcfg.Options{
		Client:  s.api.MutatingWebhookConfigurations(),
		Configs: s.o.webhookConfigNames, Webhooks: []string{s.o.webhookName},
		PruneDelay: s.o.trustPropagation,
		Clock:      clock.RealClock{}, Rand: rand.Float64, Log: s.log, Recorder: s.metrics,
	}
	if s.o.certSecret != "" {
		name, err := kube.ParseName(s.o.certSecret)
		if err != nil {
			return nil, fmt.Errorf("--certSecret: %w", err)
		}
		opt.Ours = pki.CASubject(name.Namespace, name.Name).Is
	}
	return webhookcfg.New(opt)
}

// followCertificateFiles serves the files as they are renewed by somebody else,
// and puts their CAs into caBundle.
func (s *service) followCertificateFiles(reconciler *webhookcfg.Reconciler) {
	apply := func(b *certs.Certificate) {
		s.holder.Set(b)
		s.recordExpiry(b)
		if reconciler != nil {
			reconciler.Want(b.Roots)
		}
	}
	apply(s.certFiles.Current().Value)
	s.certFiles.OnChange(func(v reload.Version[*certs.Certificate]) { apply(v.Value) })
	s.parts.start("certificate files", s.certFiles.Run)
	s.watchFiles("certificate file watch", s.certFiles.Poke, s.o.tlsCertFile, s.o.tlsKeyFile, s.o.caCertFile)
}

func (s *service) recordExpiry(b *certs.Certificate) {
	s.metrics.CertificateExpiry("leaf", b.Leaf.Cert.NotAfter)
	for _, ca := range b.Leaf.Anchors(b.Roots, time.Now()) {
		s.metrics.CertificateExpiry("ca", ca.NotAfter)
		return
	}
}
