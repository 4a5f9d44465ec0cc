package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/csr"
	"github.com/cloudflare/cfssl/initca"
	"github.com/cloudflare/cfssl/log"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"
)

// Backdate is how far notBefore lies before the moment of issue: the clock
// difference between issuer and verifier that does no harm. It is the value
// that cfssl uses by itself; here it is applied to the given clock, to the
// second, where cfssl would round the wall clock to the minute.
const Backdate = 5 * time.Minute

// MinValidity is the shortest validity that is issued, one second: the
// resolution of time in X.509.
const MinValidity = time.Second

// CARequest describes a certificate authority.
type CARequest struct {
	// Subject names the authority; CommonName must not be empty.
	Subject Subject
	// Validity counts from now; at least MinValidity.
	Validity time.Duration
}

// LeafRequest describes a serving certificate.
type LeafRequest struct {
	// CommonName must not be empty; verifiers ignore it, people read it.
	CommonName string
	// Hosts are the DNS names of the server, at least one.
	Hosts []string
	// Validity counts from now; it is cut where the CA ends.
	Validity time.Duration
}

// Subject is a distinguished name.
type Subject struct {
	CommonName         string
	Organization       string
	OrganizationalUnit string
}

// Is reports whether cert carries exactly this name.
func (s Subject) Is(cert *x509.Certificate) bool {
	n := cert.Subject
	return n.CommonName == s.CommonName && only(n.Organization, s.Organization) &&
		only(n.OrganizationalUnit, s.OrganizationalUnit)
}

func only(have []string, want string) bool {
	if want == "" {
		return len(have) == 0
	}
	return len(have) == 1 && have[0] == want
}

// NewCA makes a self-signed certificate authority that is valid from Backdate
// before now until now plus the validity.
func NewCA(req CARequest, now time.Time) (*Pair, error) {
	if err := checkRequest(req.Subject.CommonName, req.Validity); err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	name := csr.Name{O: req.Subject.Organization, OU: req.Subject.OrganizationalUnit}
	csrPEM, keyPEM, key, err := newKey(&csr.CertificateRequest{
		CN:    req.Subject.CommonName,
		Names: []csr.Name{name},
		CA:    &csr.CAConfig{PathLenZero: true},
	})
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	policy := initca.CAPolicy()
	policy.Default.CAConstraint.MaxPathLenZero = true
	certPEM, err := sign(key, nil, policy, signer.SignRequest{
		Request:   string(csrPEM),
		NotBefore: now.Add(-Backdate),
		NotAfter:  now.Add(req.Validity),
	})
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	return ParsePair(certPEM, keyPEM)
}

// IssueLeaf makes a serving certificate signed by ca. Its validity starts and
// ends within the CA's.
func IssueLeaf(ca *Pair, req LeafRequest, now time.Time) (*Pair, error) {
	if err := checkRequest(req.CommonName, req.Validity); err != nil {
		return nil, fmt.Errorf("issue serving certificate: %w", err)
	}
	if len(req.Hosts) == 0 {
		return nil, errors.New("issue serving certificate: no host given")
	}
	if err := ca.CheckCA(now); err != nil {
		return nil, fmt.Errorf("issue serving certificate: %w", err)
	}
	csrPEM, keyPEM, _, err := newKey(&csr.CertificateRequest{CN: req.CommonName, Hosts: req.Hosts})
	if err != nil {
		return nil, fmt.Errorf("issue serving certificate: %w", err)
	}
	notBefore, notAfter := leafTimes(ca.Cert, req.Validity, now)
	policy := &config.Signing{Default: &config.SigningProfile{
		Usage: []string{"digital signature", "server auth"},
		// Sign takes the times of the request; the policy only has to be valid.
		Expiry:       req.Validity,
		ExpiryString: req.Validity.String(),
	}}
	certPEM, err := sign(ca.Key, ca.Cert, policy, signer.SignRequest{
		Request:   string(csrPEM),
		Hosts:     req.Hosts,
		NotBefore: notBefore,
		NotAfter:  notAfter,
	})
	if err != nil {
		return nil, fmt.Errorf("issue serving certificate: %w", err)
	}
	return ParsePair(certPEM, keyPEM)
}

// LeafExpiry is when a leaf that ca signed now would end.
func LeafExpiry(ca *x509.Certificate, validity time.Duration, now time.Time) time.Time {
	_, notAfter := leafTimes(ca, validity, now)
	return notAfter
}

func leafTimes(ca *x509.Certificate, validity time.Duration, now time.Time) (notBefore, notAfter time.Time) {
	notBefore, notAfter = now.Add(-Backdate), now.Add(validity)
	if notBefore.Before(ca.NotBefore) {
		notBefore = ca.NotBefore
	}
	if notAfter.After(ca.NotAfter) {
		notAfter = ca.NotAfter
	}
	return notBefore, notAfter
}

func checkRequest(commonName string, validity time.Duration) error {
	if commonName == "" {
		return errors.New("no common name given")
	}
	if validity < MinValidity {
		return fmt.Errorf("validity %s is too short, at least %s is needed", validity, MinValidity)
	}
	return nil
}

func newKey(req *csr.CertificateRequest) (csrPEM, keyPEM []byte, key crypto.Signer, err error) {
	quiet()
	req.KeyRequest = &csr.KeyRequest{A: "ecdsa", S: 256}
	csrPEM, keyPEM, err = csr.ParseRequest(req)
	if err != nil {
		return nil, nil, nil, err
	}
	key, err = parseKey(keyPEM)
	return csrPEM, keyPEM, key, err
}

func sign(key crypto.Signer, ca *x509.Certificate, policy *config.Signing, req signer.SignRequest) ([]byte, error) {
	s, err := local.NewSigner(key, ca, signer.DefaultSigAlgo(key), policy)
	if err != nil {
		return nil, err
	}
	return s.Sign(req)
}

// quiet keeps cfssl from writing its progress to the standard logger; its
// errors are returned as well, and logged by whoever handles them. cfssl's
// level is a plain package variable that every call reads: setting it once,
// before the first call, is what keeps two issuers from racing for it.
var quiet = sync.OnceFunc(func() { log.Level = log.LevelFatal })
