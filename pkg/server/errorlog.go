package server

import (
	"log"
	"log/slog"
	"strings"
)

// errorLog turns net/http's complaints into log lines. Most are about peers
// that connect and go away, such as port scans and TCP probes: those are for
// debugging. One kind matters to the operator: a caller that does not trust
// the certificate.
func errorLog(l *slog.Logger, name string) *log.Logger {
	return log.New(&errorWriter{log: l, name: name}, "", 0)
}

type errorWriter struct {
	log  *slog.Logger
	name string
}

func (w *errorWriter) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	switch {
	case strings.Contains(line, "remote error: tls: bad certificate"),
		strings.Contains(line, "remote error: tls: unknown certificate"):
		w.log.Warn(w.name+": a caller does not trust the certificate served here: compare caBundle in the webhook configuration with the CA file", "error", line)
	case strings.Contains(line, "TLS handshake error"), strings.Contains(line, "http2:"):
		w.log.Debug(w.name, "error", line)
	default:
		w.log.Warn(w.name, "error", line)
	}
	return len(p), nil
}
