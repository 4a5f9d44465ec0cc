package app

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"
)

// debugConfig is what /debug/config shows: hashes and dates, and nothing that
// would help an attacker or embarrass an owner.
type debugConfig struct {
	Revision      string             `json:"revision"`
	Configuration debugState         `json:"configuration"`
	Dialect       string             `json:"dialect"`
	Templates     []string           `json:"templates"`
	Certificate   debugCertificate   `json:"certificate"`
	CAs           []debugCertificate `json:"cas"`
	Native        bool               `json:"nativeSidecars"`
}

type debugState struct {
	Hash     string     `json:"hash"`
	LoadedAt time.Time  `json:"loadedAt"`
	Error    string     `json:"error,omitempty"`
	FailedAt *time.Time `json:"failedAt,omitempty"`
}

type debugCertificate struct {
	Subject     string    `json:"subject"`
	DNSNames    []string  `json:"dnsNames,omitempty"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	Fingerprint string    `json:"sha256"`
}

func (s *service) debugConfig() debugConfig {
	state := s.configuration.State()
	snapshot := s.configuration.Current().Value
	d := debugConfig{
		Revision:      s.o.revision,
		Configuration: debugState{Hash: state.Hash, LoadedAt: state.LoadedAt},
		Dialect:       snapshot.Dialect().String(),
		Templates:     snapshot.TemplateNames(),
		Native:        s.cluster.NativeSidecars(""),
	}
	if state.Err != nil {
		d.Configuration.Error = state.Err.Error()
		d.Configuration.FailedAt = &state.FailedAt
	}
	if b := s.holder.Current(); b != nil {
		d.Certificate = showCertificate(b.Leaf.Cert)
		for _, ca := range b.Roots {
			d.CAs = append(d.CAs, showCertificate(ca))
		}
	}
	return d
}

func showCertificate(c *x509.Certificate) debugCertificate {
	sum := sha256.Sum256(c.Raw)
	return debugCertificate{
		Subject: c.Subject.String(), DNSNames: c.DNSNames,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Fingerprint: hex.EncodeToString(sum[:]),
	}
}
