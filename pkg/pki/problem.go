package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Kind is what is wrong with a certificate.
type Kind string

// The kinds, in the order in which they are looked for.
const (
	Malformed   Kind = "malformed"     // is missing or cannot be parsed
	KeyMismatch Kind = "key-mismatch"  // key and certificate do not belong together
	NotYetValid Kind = "not-yet-valid" // comes from the future
	Expired     Kind = "expired"
	WrongUsage  Kind = "wrong-usage"  // may not be used as server certificate, or CA
	MissingName Kind = "missing-name" // does not name the server's DNS name
	Untrusted   Kind = "untrusted"    // does not lead to the CA bundle
)

// Problem is an error about a certificate.
type Problem struct {
	Kind Kind
	Text string
}

// Error implements error.
func (p *Problem) Error() string { return p.Text }

// KindOf returns the kind of the Problem in err's tree, or "".
func KindOf(err error) Kind {
	var p *Problem
	if errors.As(err, &p) {
		return p.Kind
	}
	return ""
}

// Describe names a certificate in a sentence: its subject and the first bytes
// of its serial number.
func Describe(cert *x509.Certificate) string {
	serial := fmt.Sprintf("%x", cert.SerialNumber)
	return fmt.Sprintf("%q (serial %s)", cert.Subject.CommonName, serial[:min(len(serial), 8)])
}

// stamp writes a time for people, to the second.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
