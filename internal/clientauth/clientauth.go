// Package clientauth decides which callers get in where callers must present a
// certificate: those of the CAs in a file, by name where names are given, and the
// server's own client.
package clientauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/bounded"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// Options say which callers get in.
type Options struct {
	// File holds the CAs.
	File string
	// Names are the common names or DNS names of which a certificate must have one;
	// none: any certificate of the CAs will do.
	Names []string
	// Refused is told the names in each certificate that has none of Names. It must not
	// wait.
	Refused  func(names string)
	Log      *slog.Logger
	Recorder reload.Recorder
}

// Callers are the CAs and names in force.
type Callers struct {
	loop    *reload.Loop[[]*x509.Certificate]
	names   []string
	refused func(names string)
	own     *tls.Certificate
}

// Start loads the CAs from a file and follows it, in parts of the group.
func Start(group *rungroup.Group, o Options) (*Callers, error) {
	loop := reload.New(reload.Options[[]*x509.Certificate]{
		Name: "client CA", Log: o.Log, Recorder: o.Recorder,
		Load: func(context.Context, string) ([]*x509.Certificate, string, error) { return readCAs(o.File) },
	})
	if err := loop.Reload(context.Background()); err != nil {
		return nil, err
	}
	own, err := newOwnCertificate(time.Now())
	if err != nil {
		return nil, fmt.Errorf("certificate for the self check: %w", err)
	}
	group.Go("client CA", loop.Run)
	group.Go("client CA file", func(ctx context.Context) error {
		return reload.WatchFiles(ctx, []string{o.File}, reload.DefaultPoll, o.Log, loop.Poke)
	})
	return &Callers{loop: loop, names: o.Names, refused: o.Refused, own: own}, nil
}

// Pool is what a caller's certificate must verify against now.
func (c *Callers) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, ca := range c.loop.Current().Value {
		pool.AddCert(ca)
	}
	pool.AddCert(c.own.Leaf)
	return pool
}

// maxNames is how much of a certificate's names is told, in bytes.
const maxNames = 256

// Verify is the VerifyConnection of a tls.Config: it refuses a caller whose
// certificate, which has been verified, has none of the names.
func (c *Callers) Verify(state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	if len(c.names) == 0 || leaf.Equal(c.own.Leaf) {
		return nil
	}
	names := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	for _, name := range names {
		if name != "" && slices.Contains(c.names, name) {
			return nil
		}
	}
	told := cut.Line(fmt.Sprintf("%q", names), maxNames)
	c.refused(told)
	return fmt.Errorf("the client certificate's names %s are none of --clientNames", told)
}

// OwnCertificate is what the server's own client presents.
func (c *Callers) OwnCertificate() *tls.Certificate { return c.own }

// readCAs loads the CAs for a reload.Loop.
func readCAs(path string) ([]*x509.Certificate, string, error) {
	text, err := bounded.ReadFile(path, bounded.MaxConfigFile)
	if err != nil {
		return nil, "", fmt.Errorf("--clientCAFile: %w", err)
	}
	list, err := pki.ParseCerts(text)
	if err != nil {
		return nil, "", fmt.Errorf("--clientCAFile %s: %w", path, err)
	}
	sum := sha256.Sum256(text)
	return list, hex.EncodeToString(sum[:]), nil
}

// newOwnCertificate makes the certificate by which the server's own client shows
// itself. It exists in this process's memory alone and signs itself, so trusting
// it means trusting this process.
func newOwnCertificate(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "sidecar-injector self check"},
		NotBefore:    now.Add(-time.Hour),
		// As long as the process can live; there is nobody to renew it for.
		NotAfter:              now.AddDate(100, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
