// Package servingcert keeps the certificate that the webhook serves, and the
// caBundle by which API servers trust it. Where a Secret is named, pkg/certs keeps
// the certificate in it; otherwise it comes from files that somebody else renews.
package servingcert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"time"

	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// Options say which certificate is served and who keeps it.
type Options struct {
	// CertFile, KeyFile and CAFile hold the certificate that the server starts with.
	// With a Secret they may be missing.
	CertFile, KeyFile, CAFile string
	// Secret, in the form namespace/name, holds the certificates; empty: the files
	// alone.
	Secret string
	// Service is what certificates in the Secret are made for; empty: the names in
	// the files.
	Service, ClusterDomain string
	// Policy says when certificates in the Secret are renewed, and how long a CA of
	// ours stays in caBundle. Its names are filled in.
	Policy certs.Policy
	// WebhookConfigs and Webhook name the configurations and the entry in them whose
	// caBundle is kept right, if ReconcileCABundle is set. GuardConfigs name the
	// ValidatingWebhookConfigurations whose caBundle is kept right with them.
	ReconcileCABundle bool
	WebhookConfigs    []string
	Webhook           string
	GuardConfigs      []string
	// API is needed with a Secret and with ReconcileCABundle.
	API     *kube.Clients
	Metrics *metrics.Metrics
	Log     *slog.Logger
}

// Keeper has the certificate in use.
type Keeper struct {
	source     *certs.CertificateSource
	reconciler *webhookcfg.Reconciler // nil: nobody here keeps the caBundle
	controller *certs.Controller      // nil: the certificate comes from files
	readiness  *certs.Readiness
}

// Start loads the files and starts, in parts of the group, what renews the
// certificate and keeps the caBundle right.
func Start(group *rungroup.Group, o Options) (*Keeper, error) {
	source := &certs.CertificateSource{}
	files, err := loadFiles(o, source)
	if err != nil {
		return nil, err
	}
	reconciler, err := newReconciler(o)
	if err != nil {
		return nil, err
	}
	var caBundle certs.CABundle // a nil *Reconciler in the interface would not be nil
	if reconciler != nil {
		caBundle = reconciler
		group.Go("caBundle", reconciler.Run)
	}
	if o.Secret == "" {
		followFiles(group, o, files, source, reconciler)
		return &Keeper{
			source: source, reconciler: reconciler,
			readiness: certs.NewReadiness(source, caBundle, nil, clock.RealClock{}),
		}, nil
	}
	controller, hosts, err := newController(o, source, caBundle)
	if err != nil {
		return nil, err
	}
	group.Go("certificates", controller.Run)
	return &Keeper{
		source: source, reconciler: reconciler, controller: controller,
		readiness: certs.NewReadiness(source, caBundle, hosts, clock.RealClock{}),
	}, nil
}

// loadFiles loads the files that the server starts with, and serves what is in
// them. Where a Secret is followed, missing ones are no error: the Secret brings
// the certificate.
func loadFiles(o Options, source *certs.CertificateSource) (*reload.Loop[*certs.Certificate], error) {
	loop := reload.New(reload.Options[*certs.Certificate]{
		Name: "certificate", Log: o.Log, Recorder: o.Metrics.Reload("certificate"), Load: o.readFiles(source, time.Now),
	})
	err := loop.Reload(context.Background())
	switch {
	case err == nil:
		cert := loop.Current().Value
		source.Set(cert)
		recordExpiry(o.Metrics, cert)
		if err := checkServing(cert, time.Now()); err != nil {
			o.Log.Warn("callers will not accept the serving certificate", "file", o.CertFile, "error", err)
		}
	case o.Secret != "" && errors.Is(err, fs.ErrNotExist):
		o.Log.Warn("no certificate files, waiting for the secret", "secret", o.Secret, "error", err)
	default:
		return nil, err
	}
	return loop, nil
}

// newReconciler returns what keeps the caBundle right; nil when nothing shall.
func newReconciler(o Options) (*webhookcfg.Reconciler, error) {
	if !o.ReconcileCABundle {
		return nil, nil
	}
	opt := webhookcfg.Options{
		Client:  o.API.MutatingWebhookConfigurations(),
		Configs: o.WebhookConfigs, Webhooks: []string{o.Webhook},
		GuardClient: o.API.ValidatingWebhookConfigurations(), GuardConfigs: o.GuardConfigs,
		PruneDelay: o.Policy.TrustPropagation,
		Clock:      clock.RealClock{}, Rand: rand.Float64, Log: o.Log, Recorder: o.Metrics,
	}
	if o.Secret != "" {
		name, err := kube.ParseName(o.Secret)
		if err != nil {
			return nil, fmt.Errorf("--certSecret %q: %w", o.Secret, err)
		}
		opt.Ours = pki.CASubject(name.Namespace, name.Name).Is
	}
	return webhookcfg.New(opt)
}

// newController returns what keeps the certificate in the Secret, and the names
// that it is made for.
func newController(o Options, source *certs.CertificateSource, caBundle certs.CABundle) (*certs.Controller, []string, error) {
	name, err := kube.ParseName(o.Secret)
	if err != nil {
		return nil, nil, fmt.Errorf("--certSecret %q: %w", o.Secret, err)
	}
	policy := o.Policy
	policy.Hosts, policy.CommonName = certificateNames(o, name.Namespace, source.Current())
	policy.CA = pki.CASubject(name.Namespace, name.Name)
	controller, err := certs.New(certs.Options{
		Store: certs.NewStore(o.API.Secrets(name.Namespace), name.Name), Secret: name,
		CABundle: caBundle, Source: source, Policy: policy.Complete(),
		Clock: clock.RealClock{}, Rand: rand.Float64, Log: o.Log, Recorder: o.Metrics,
	})
	return controller, policy.Hosts, err
}

// classicService is the Service's name in the classic chart.
const classicService = "istio-sidecar-injector"

// certificateNames returns what certificates in the Secret are made for. Where no
// Service is named, the names of the certificate in the files go on: whoever made
// it knew the Service.
func certificateNames(o Options, namespace string, files *certs.Certificate) (hosts []string, commonName string) {
	service := o.Service
	if service == "" {
		if files != nil && len(files.Leaf.Cert.DNSNames) > 0 {
			return files.Leaf.Cert.DNSNames, files.Leaf.Cert.Subject.CommonName
		}
		service = classicService
	}
	return pki.ServiceHosts(service, namespace, o.ClusterDomain), service
}

// GetCertificate is for tls.Config.
func (k *Keeper) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return k.source.GetCertificate(hello)
}

// Current is the certificate in use; nil before the first.
func (k *Keeper) Current() *certs.Certificate { return k.source.Current() }

// CheckReady returns why API servers would not accept the certificate in use.
func (k *Keeper) CheckReady() error { return k.readiness.Check() }

// Troubles names what is wrong now with the certificate in the Secret and with
// the caBundle.
func (k *Keeper) Troubles() []string {
	var open []string
	if k.reconciler != nil {
		open = append(open, k.reconciler.Troubles()...)
	}
	if k.controller != nil {
		open = append(open, k.controller.Troubles()...)
	}
	return open
}

// CABundleMatches reports for each webhook configuration whether its caBundle
// verifies what is served. It is empty where nothing is served yet and where the
// caBundle is not looked at.
func (k *Keeper) CABundleMatches() map[string]bool {
	served := k.source.Current()
	if served == nil || k.reconciler == nil {
		return nil
	}
	now := time.Now()
	return k.reconciler.Fits(func(roots []*x509.Certificate) bool { return verifies(roots, served, now) })
}

// verifies reports whether the served certificate leads to roots. That it is
// expired by itself is not their fault, and another metric's matter.
func verifies(roots []*x509.Certificate, served *certs.Certificate, now time.Time) bool {
	return pki.KindOf(served.Leaf.CheckServing(pki.ServingCheck{Now: now, Roots: roots})) != pki.Untrusted
}

// SelfTrust returns what the server's own client believes in: the CAs beside the
// certificate in use, and that certificate's own name.
func (k *Keeper) SelfTrust() (roots *x509.CertPool, serverName string, err error) {
	served := k.source.Current()
	if served == nil {
		return nil, "", errors.New("no serving certificate yet")
	}
	roots = x509.NewCertPool()
	for _, r := range served.Roots {
		roots.AddCert(r)
	}
	switch cert := served.Leaf.Cert; {
	case len(cert.DNSNames) > 0:
		return roots, cert.DNSNames[0], nil
	case len(cert.IPAddresses) > 0:
		return roots, cert.IPAddresses[0].String(), nil
	default:
		return nil, "", fmt.Errorf("serving certificate %s has no subject alternative name: no caller can accept it", pki.Describe(cert))
	}
}
