package app

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// preview prints what would be done, step by step, and changes nothing.
func preview(ctx context.Context, o certs.EnsureOptions, trust *webhookcfg.Reconciler, out string, w io.Writer) error {
	steps, bundle, err := certs.Preview(ctx, o)
	if err != nil {
		return err
	}
	for _, step := range steps {
		fmt.Fprintf(w, "would write secret %s: %s: %s\n", o.Secret, step.Action, step.Reason)
	}
	if trust != nil {
		if err := trust.Explain(); err != nil {
			fmt.Fprintln(w, "note:", err)
		}
		for _, sentence := range trust.Pending() {
			fmt.Fprintln(w, "would", sentence)
		}
	}
	if bundle == nil {
		fmt.Fprintln(w, "would wait for another process to write a good certificate")
		return nil
	}
	if out != "" {
		fmt.Fprintf(w, "would write %s: certificate for %s, valid until %s\n",
			filepath.Join(out, "*.pem"), bundle.Leaf.Cert.DNSNames[len(bundle.Leaf.Cert.DNSNames)-1], bundle.Leaf.Cert.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if len(steps) == 0 && (trust == nil || len(trust.Pending()) == 0) {
		fmt.Fprintln(w, "nothing to change in the cluster")
	}
	return nil
}
