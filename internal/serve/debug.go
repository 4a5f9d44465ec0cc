package serve

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/clusterinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/servingcert"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
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
	Hash     string    `json:"hash"`
	LoadedAt time.Time `json:"loadedAt"`
	// LastGood says that a newer one is refused, Recorded that what is in force was
	// read from the record, and Since since when that is known to be good.
	LastGood  bool       `json:"lastGood"`
	Recorded  bool       `json:"recorded,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
	Tolerated string     `json:"tolerated,omitempty"`
	Error     string     `json:"error,omitempty"`
	FailedAt  *time.Time `json:"failedAt,omitempty"`
	Waiting   string     `json:"waiting,omitempty"`
}

type debugCertificate struct {
	Subject     string    `json:"subject"`
	DNSNames    []string  `json:"dnsNames,omitempty"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	Fingerprint string    `json:"sha256"`
}

// describe says what is in force.
func describe(revision string, configuration *source.Source, certificates *servingcert.Keeper, cluster *clusterinfo.Cache) debugConfig {
	state := configuration.State()
	snapshot := configuration.Current()
	d := debugConfig{
		Revision:      revision,
		Configuration: debugState{Hash: state.Hash, LoadedAt: state.LoadedAt, LastGood: state.LastGood, Recorded: state.Recorded, Waiting: state.Waiting},
		Native:        cluster.NativeSidecars(""),
	}
	if snapshot != nil {
		d.Dialect, d.Templates = snapshot.Dialect().String(), snapshot.TemplateNames()
		d.Configuration.Since = &state.Since
	}
	if state.Tolerated != nil {
		d.Configuration.Tolerated = state.Tolerated.Error()
	}
	if state.Err != nil {
		d.Configuration.Error = state.Err.Error()
		d.Configuration.FailedAt = &state.FailedAt
	}
	if served := certificates.Current(); served != nil {
		d.Certificate = describeCertificate(served.Leaf.Cert)
		for _, ca := range served.Roots {
			d.CAs = append(d.CAs, describeCertificate(ca))
		}
	}
	return d
}

func describeCertificate(c *x509.Certificate) debugCertificate {
	sum := sha256.Sum256(c.Raw)
	return debugCertificate{
		Subject: c.Subject.String(), DNSNames: c.DNSNames,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Fingerprint: hex.EncodeToString(sum[:]),
	}
}
