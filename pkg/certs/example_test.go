package certs_test

import (
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// The life of an empty Secret, as its actors decide on it: a first certificate,
// renewals, and a change of CA.
func Example() {
	policy := certs.Policy{
		Hosts:      pki.ServiceHosts("injector", "istio-system", ""),
		CommonName: "injector", CA: pki.CASubject("istio-system", "certs"),
		CAValidity: 90 * 24 * time.Hour, CertValidity: 30 * 24 * time.Hour, TrustPropagation: time.Minute,
	}.Complete()
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	secret := certs.ParseState(nil)
	for range 12 {
		in := certs.Input{Now: now, Secret: secret, Exists: true}
		if secret.Next != nil {
			in.NextTrusted = now.Add(-policy.TrustPropagation) // the caBundle has held it that long
		}
		step := certs.Decide(in, policy)
		if step.Action == certs.Wait {
			now = step.At
			continue
		}
		fmt.Printf("day %2.0f: %s\n", now.Sub(start).Hours()/24, step.Action)
		var err error
		if secret, err = certs.Apply(step.Action, in, policy); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// day  0: bootstrap
	// day 20: renew-certificate
	// day 40: renew-certificate
	// day 60: renew-certificate
	// day 60: announce-ca
	// day 60: switch-ca
	// day 80: renew-certificate
}
