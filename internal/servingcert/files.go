package servingcert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// readFiles loads the certificate for a reload.Loop. A renewed one that callers
// could not accept does not replace one that they do.
func (o Options) readFiles(source *certs.CertificateSource, now func() time.Time) func(context.Context, string) (*certs.Certificate, string, error) {
	return func(context.Context, string) (*certs.Certificate, string, error) {
		cert, err := certs.LoadFiles(o.CertFile, o.KeyFile, o.CAFile)
		if err != nil {
			return nil, "", err
		}
		if old := source.Current(); old != nil && checkServing(old, now()) == nil {
			if err := checkServing(cert, now()); err != nil {
				return nil, "", fmt.Errorf("%s with %s: %w", o.CertFile, o.CAFile, err)
			}
		}
		return cert, hash(cert), nil
	}
}

// checkServing returns why callers that trust the certificate's CAs would not
// accept it.
func checkServing(cert *certs.Certificate, at time.Time) error {
	return cert.Leaf.CheckServing(pki.ServingCheck{Now: at, Roots: cert.Roots})
}

// hash identifies a certificate with its CAs. The key needs no part in it: it
// belongs to the leaf.
func hash(cert *certs.Certificate) string {
	h := sha256.New()
	h.Write(cert.Leaf.CertPEM)
	for _, r := range cert.Roots {
		h.Write(r.Raw)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// followFiles serves the files as they are renewed by somebody else, and puts
// their CAs into caBundle, where a reconciler keeps it.
func followFiles(group *rungroup.Group, o Options, files *reload.Loop[*certs.Certificate], source *certs.CertificateSource, reconciler *webhookcfg.Reconciler) {
	serve := func(cert *certs.Certificate) {
		source.Set(cert)
		recordExpiry(o.Metrics, cert)
		if reconciler != nil {
			reconciler.Want(cert.Roots)
		}
	}
	serve(files.Current().Value)
	files.OnChange(func(v reload.Version[*certs.Certificate]) { serve(v.Value) })
	group.Go("certificate files", files.Run)
	group.Go("certificate file watch", func(ctx context.Context) error {
		return reload.WatchFiles(ctx, []string{o.CertFile, o.KeyFile, o.CAFile}, reload.DefaultPoll, o.Log, files.Poke)
	})
}

func recordExpiry(m *metrics.Metrics, cert *certs.Certificate) {
	m.CertificateExpiry("leaf", cert.Leaf.Cert.NotAfter)
	for _, ca := range cert.Leaf.Anchors(cert.Roots, time.Now()) {
		m.CertificateExpiry("ca", ca.NotAfter)
		return
	}
}
