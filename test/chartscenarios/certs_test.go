//go:build e2e

package chartscenarios

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// trust is what an upgrade must leave alone.
type trust struct {
	caBundle []byte
	secret   map[string][]byte
	// guard is the caBundle by which API servers ask about the configuration; nil
	// where they do not.
	guard []byte
}

func (s *scenario) trust() trust {
	s.Helper()
	t, err := s.readTrust()
	s.must(err)
	return t
}

// readTrust reads the live caBundle and Secret, and checks that they are whole.
func (s *scenario) readTrust() (trust, error) {
	configuration, err := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(s.ctx, s.release, metav1.GetOptions{})
	if err != nil {
		return trust{}, err
	}
	secret, err := cluster.Client.CoreV1().Secrets(s.namespace).Get(s.ctx, "istio."+s.release+"-service-account", metav1.GetOptions{})
	if err != nil {
		return trust{}, err
	}
	t := trust{caBundle: configuration.Webhooks[0].ClientConfig.CABundle, secret: secret.Data}
	if len(t.caBundle) == 0 {
		return t, fmt.Errorf("webhook configuration %s has no caBundle", configuration.Name)
	}
	if _, err := tls.X509KeyPair(t.secret["cert-chain.pem"], t.secret["key.pem"]); err != nil {
		return t, fmt.Errorf("secret %s: %w", secret.Name, err)
	}
	guard, err := cluster.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(s.ctx, s.release, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return t, nil
	case err != nil:
		return t, err
	}
	if t.guard = guard.Webhooks[0].ClientConfig.CABundle; len(t.guard) == 0 {
		return t, fmt.Errorf("validating webhook configuration %s has no caBundle", guard.Name)
	}
	return t, nil
}

// survives fails the scenario unless certificate and caBundle are the same bytes.
func (s *scenario) survives(before trust) {
	s.Helper()
	after := s.trust()
	if !bytes.Equal(before.caBundle, after.caBundle) {
		s.Error("the caBundle is another one than before")
	}
	if before.guard != nil && !bytes.Equal(before.guard, after.guard) {
		s.Error("the guard's caBundle is another one than before")
	}
	if !maps.EqualFunc(before.secret, after.secret, bytes.Equal) {
		s.Error("the Secret's data is another than before")
	}
}

// healed waits until caBundle and Secret are whole and the same as before.
func (s *scenario) healed(before trust) {
	s.Helper()
	var last error
	err := wait.PollUntilContextTimeout(s.ctx, 50*time.Millisecond, stepLimit, true, func(context.Context) (bool, error) {
		var now trust
		now, last = s.readTrust()
		return last == nil && bytes.Equal(before.caBundle, now.caBundle) && bytes.Equal(before.guard, now.guard) && maps.EqualFunc(before.secret, now.secret, bytes.Equal), nil
	})
	if err != nil {
		s.Fatalf("certificate and caBundle were not put right: %v (%v)", err, last)
	}
}
