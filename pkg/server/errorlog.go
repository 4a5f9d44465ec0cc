package server

import (
	"log"
	"log/slog"
	"strings"

	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// errorLog turns net/http's complaints into log lines. Most are about peers
// that connect and go away, such as port scans and TCP probes: those are for
// debugging. Two kinds matter to the operator: a caller that does not trust the
// certificate, and one whose own certificate is not good.
func errorLog(l *slog.Logger, name string) *log.Logger {
	return log.New(&errorWriter{log: l, name: name, rate: trouble.NewRate(clock.RealClock{})}, "", 0)
}

type errorWriter struct {
	log  *slog.Logger
	name string
	rate *trouble.Rate
}

// maxLine is how much of a line is logged: that of a panic has a stack.
const maxLine = 8 << 10

func (w *errorWriter) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p[:min(len(p), maxLine)]))
	has := func(s string) bool { return strings.Contains(line, s) }
	switch {
	case has("remote error: tls: bad certificate"), has("remote error: tls: unknown certificate"):
		w.warn("trust", w.name+": a caller does not trust the certificate served here: compare caBundle in the webhook configuration with the CA file", line)
	case has("client didn't provide a certificate"), has("failed to verify certificate"):
		w.warn("caller", w.name+": a caller has no certificate of the CAs in --clientCAFile and was refused", line)
	case has("TLS handshake error"):
		w.log.Debug(w.name, "error", line)
	case has("panic serving"):
		w.log.Error(w.name, "error", line)
	default:
		w.warn("other", w.name, line)
	}
	return len(p), nil
}

// warn logs at a bounded rate: callers can cause these lines as often as they like.
func (w *errorWriter) warn(kind, sentence, line string) {
	if due, skipped := w.rate.Due(kind); due {
		w.log.Warn(sentence, "error", line, "notLogged", skipped)
	}
}
