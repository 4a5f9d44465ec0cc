package certs

import "time"

// Recorder is told what happens, for metrics. Implementations are safe for
// concurrent use and do not block.
type Recorder interface {
	// CertificateExpiry says until when the certificate in use is valid; typ is
	// "leaf" or "ca".
	CertificateExpiry(typ string, notAfter time.Time)
	// CertificateRenewed counts a planned replacement; typ as above.
	CertificateRenewed(typ string)
	// Healed counts a repair of what ("secret").
	Healed(what string)
	// WriteFailed counts a write of what ("secret") that failed for another reason
	// than a conflict.
	WriteFailed(what string)
	// WriteConflict counts a write that lost against another actor's.
	WriteConflict()
}

// NoRecorder records nothing.
type NoRecorder struct{}

func (NoRecorder) CertificateExpiry(string, time.Time) {}
func (NoRecorder) CertificateRenewed(string)           {}
func (NoRecorder) Healed(string)                       {}
func (NoRecorder) WriteFailed(string)                  {}
func (NoRecorder) WriteConflict()                      {}

// record tells what an action was.
func record(r Recorder, step Step) {
	switch {
	case step.Action == Bootstrap || step.Action == Refill || step.Urgent:
		r.Healed("secret")
	case step.Action == RenewLeaf:
		r.CertificateRenewed("leaf")
	case step.Action == SwitchCA:
		r.CertificateRenewed("ca")
	}
}
