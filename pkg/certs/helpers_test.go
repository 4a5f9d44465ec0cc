package certs

import (
	"crypto/x509"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

var (
	secretName = types.NamespacedName{Namespace: "istio-system", Name: "certs"}
	start      = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
)

// shortPolicy rotates within seconds: leaves at 8 of 12 s, CAs at 24 of 36 s.
func shortPolicy() Policy {
	return Policy{
		Hosts:      pki.ServiceHosts("injector", secretName.Namespace, ""),
		CommonName: "injector", CA: pki.CASubject(secretName.Namespace, secretName.Name),
		CAValidity: 36 * time.Second, CertValidity: 12 * time.Second, TrustPropagation: 2 * time.Second,
	}.Complete()
}

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fresh is the state after a bootstrap at the given second.
func fresh(t testing.TB, p Policy, second float64) State {
	t.Helper()
	return apply(t, Bootstrap, Input{Now: at(second), Exists: true}, p)
}

// apply also goes through the Secret's form, so that nothing lives in memory
// alone.
func apply(t testing.TB, a Action, in Input, p Policy) State {
	t.Helper()
	s := must[State](t)(Apply(a, in, p))
	return ParseState(s.Data(nil))
}

func roots(states ...State) []*x509.Certificate {
	var out []*x509.Certificate
	for _, s := range states {
		out = append(out, s.Roots...)
	}
	return out
}
