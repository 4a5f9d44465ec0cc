// Command simplest is the smallest webhook that Go's HTTP server makes: it answers
// 'allowed' and does nothing else. What it needs of memory, no webhook in Go can do
// without. It takes the injector's flags and heeds those that name the certificate.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "simplest:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, args []string) error {
	certificate, key := value(args, "tlsCertFile"), value(args, "tlsKeyFile")
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("--tlsCertFile=%s --tlsKeyFile=%s: %w", certificate, key, err)
	}
	webhook, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	monitoring, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(allow), TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	ended := make(chan error, 2)
	go func() { ended <- http.Serve(monitoring, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) }()
	go func() { ended <- server.ServeTLS(webhook, "", "") }()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	log.Info("webhook listens", "address", webhook.Addr().String())
	log.Info("monitoring listens", "address", monitoring.Addr().String())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// value of a flag, in the form --name=value that benchmarks use.
func value(args []string, name string) string {
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return v
		}
	}
	return ""
}

func allow(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var review struct {
		Request struct {
			UID string `json:"uid"`
		} `json:"request"`
	}
	if err == nil {
		err = json.Unmarshal(body, &review)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{ // a caller that went away needs no answer
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"response": map[string]any{"uid": review.Request.UID, "allowed": true},
	})
}
