package cluster

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
)

// Answer is the simplest webhook there can be, to compare with: it reads the
// review, not the pod in it, and answers 'allowed', with the constant patch or
// without. It says where it listens as the injector does, and ends with ctx.
func Answer(ctx context.Context, folder string, patch bool, log io.Writer) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert-chain.pem"), filepath.Join(folder, "key.pem"))
	if err != nil {
		return err
	}
	var response admissionv1.AdmissionResponse
	response.Allowed = true
	if patch {
		if response.Patch, err = constantPatch(); err != nil {
			return err
		}
		kind := admissionv1.PatchTypeJSONPatch
		response.PatchType = &kind
	}
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           answer(response),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 5 * time.Second,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	slog.New(slog.NewJSONHandler(log, nil)).Info("webhook listens", "address", listener.Addr().String())
	if err := server.ServeTLS(listener, "", ""); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func answer(response admissionv1.AdmissionResponse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var review struct {
			APIVersion, Kind string
			Request          struct{ UID string }
		}
		if err := json.Unmarshal(body, &review); err != nil {
			http.Error(w, fmt.Sprintf("no AdmissionReview: %v", err), http.StatusBadRequest)
			return
		}
		mine := response
		mine.UID = typesUID(review.Request.UID)
		out := admissionv1.AdmissionReview{Response: &mine}
		out.APIVersion, out.Kind = review.APIVersion, review.Kind
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // whoever went away needs no answer
	})
}
