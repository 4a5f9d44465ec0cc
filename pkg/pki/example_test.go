package pki_test

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

func Example() {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ca, err := pki.NewCA(pki.CARequest{Subject: pki.CASubject("istio-system", "injector"), Validity: 24 * time.Hour}, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	hosts := pki.ServiceHosts("injector", "istio-system", "")
	leaf, err := pki.IssueLeaf(ca, pki.LeafRequest{CommonName: hosts[2], Hosts: hosts, Validity: time.Hour}, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	check := pki.ServingCheck{Now: now, Hosts: hosts[2:3], Roots: []*x509.Certificate{ca.Cert}}
	fmt.Println(check.Hosts, leaf.CheckServing(check))
	check.Now = now.Add(2 * time.Hour)
	fmt.Println(pki.KindOf(leaf.CheckServing(check)))
	// Output:
	// [injector.istio-system.svc] <nil>
	// expired
}
