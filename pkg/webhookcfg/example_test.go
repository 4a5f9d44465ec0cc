package webhookcfg_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// A webhook configuration whose caBundle was emptied is mended once. A server
// calls Run instead of Sync and keeps it right.
func Example() {
	ctx := context.Background()
	client := fake.NewClientset(&admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "injector", UID: "1", ResourceVersion: "1"},
		Webhooks:   []admissionv1.MutatingWebhook{{Name: "sidecar-injector.istio.io"}},
	}).AdmissionregistrationV1().MutatingWebhookConfigurations()
	reconciler, err := webhookcfg.New(webhookcfg.Options{
		Client: client, Configs: []string{"injector"}, Webhooks: []string{"sidecar-injector.istio.io"},
		Clock: clock.RealClock{}, Rand: func() float64 { return 0 },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Recorder: certs.NoRecorder{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ca, err := pki.NewCA(pki.CARequest{Subject: pki.CASubject("istio-system", "certs"), Validity: time.Hour}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	reconciler.Want([]*x509.Certificate{ca.Cert})
	if err := reconciler.Sync(ctx); err != nil {
		fmt.Println(err)
		return
	}
	live, _ := reconciler.Live()
	fmt.Println("CAs in the caBundle:", len(live))
	// Output:
	// CAs in the caBundle: 1
}
