package server

import (
	"crypto/tls"
	"net/http"
	"net/netip"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// maxPeerName is how much of a certificate's name is a peer's name. Names are of
// authenticated callers; this keeps them readable in logs.
const maxPeerName = 128

// Peer names whoever sent the request: by the name in the certificate that it
// presented and that was verified, else by its address. What is divided among
// callers is divided among peers. address is where it called from, without the port.
func Peer(r *http.Request) (name, address string) {
	address = peerOfAddress(r.RemoteAddr)
	if r.TLS != nil {
		if name, ok := certificateName(r.TLS); ok {
			return name, address
		}
	}
	return address, address
}

// certificateName returns the name in a verified client certificate.
func certificateName(state *tls.ConnectionState) (string, bool) {
	if len(state.VerifiedChains) == 0 {
		return "", false
	}
	leaf := state.PeerCertificates[0]
	name := leaf.Subject.CommonName
	if name == "" && len(leaf.DNSNames) > 0 {
		name = leaf.DNSNames[0]
	}
	// No address looks like this, so no certificate can pass for an address.
	return "certificate " + cut.Line(name, maxPeerName), true
}

// peerOfAddress returns the address without the port.
func peerOfAddress(s string) string {
	full, err := netip.ParseAddrPort(s)
	if err != nil {
		return s
	}
	return full.Addr().Unmap().String()
}
