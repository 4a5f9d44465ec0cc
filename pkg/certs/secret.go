package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// The keys of the Secret. The first three are the file names that the server's
// flags expect by default.
const (
	KeyRoots   = "root-cert.pem"    // trusted CAs, newest first
	KeyChain   = "cert-chain.pem"   // the serving certificate
	KeyPrivate = "key.pem"          // its key
	KeyCA      = "ca-cert.pem"      // the CA that signs
	KeyCAKey   = "ca-key.pem"       // its key
	keyNext    = "next-ca-cert.pem" // during a change: the CA to come
	keyNextKey = "next-ca-key.pem"  // its key
	// keyOldUntil holds the time (RFC 3339) after which no leaf of an earlier CA
	// is valid any more.
	keyOldUntil = "old-ca-until"
)

// The names that kubernetes.io/tls Secrets and cert-manager use. They are read
// where the names above are missing, never written.
const (
	altRoots   = "ca.crt"
	altChain   = "tls.crt"
	altPrivate = "tls.key"
)

// State is what a Secret says. A nil Pair goes with the error that explains it.
type State struct {
	Leaf    *pki.Pair
	LeafErr error
	CA      *pki.Pair
	CAErr   error
	// Next is nil with a nil NextErr when no change of CA is under way.
	Next    *pki.Pair
	NextErr error
	// Roots are the trusted CAs, newest first.
	Roots []*x509.Certificate
	// OldUntil is zero when it is not known.
	OldUntil time.Time
	// Empty is true when none of the keys of this package holds anything.
	Empty bool
	// UnknownKeys are keys that this package does not know, sorted.
	UnknownKeys []string
}

// ParseState reads a Secret's data. Nothing in it is an error of ParseState: what
// cannot be used is said in the state.
func ParseState(data map[string][]byte) State {
	s := State{Empty: true}
	for key, value := range data {
		switch key {
		case KeyRoots, KeyChain, KeyPrivate, KeyCA, KeyCAKey, keyNext, keyNextKey, keyOldUntil:
			s.Empty = s.Empty && len(value) == 0
		case altRoots, altChain, altPrivate:
			s.Empty = s.Empty && len(value) == 0
			s.UnknownKeys = append(s.UnknownKeys, key)
		default:
			s.UnknownKeys = append(s.UnknownKeys, key)
		}
	}
	slices.Sort(s.UnknownKeys)
	s.Roots, _ = pki.ScanBundle(either(data, KeyRoots, altRoots))
	s.Leaf, s.LeafErr = pki.ParsePair(either(data, KeyChain, altChain), either(data, KeyPrivate, altPrivate))
	if s.Empty {
		s.LeafErr = &pki.Problem{Kind: pki.Malformed, Text: "the secret is empty"}
	}
	s.CA, s.CAErr = pki.ParsePair(data[KeyCA], data[KeyCAKey])
	if len(data[keyNext]) > 0 || len(data[keyNextKey]) > 0 {
		s.Next, s.NextErr = pki.ParsePair(data[keyNext], data[keyNextKey])
	}
	if until, err := time.Parse(time.RFC3339, strings.TrimSpace(string(data[keyOldUntil]))); err == nil {
		s.OldUntil = until
	}
	return s
}

func either(data map[string][]byte, key, alternative string) []byte {
	if value, ok := data[key]; ok {
		return value
	}
	return data[alternative]
}

// Data returns base with this state's keys set and, where the state has nothing
// to say, removed. Keys that this package does not know stay. base is not
// changed.
func (s State) Data(base map[string][]byte) map[string][]byte {
	out := maps.Clone(base)
	if out == nil {
		out = map[string][]byte{}
	}
	setPair(out, KeyChain, KeyPrivate, s.Leaf)
	setPair(out, KeyCA, KeyCAKey, s.CA)
	setPair(out, keyNext, keyNextKey, s.Next)
	set(out, KeyRoots, pki.EncodeBundle(s.Roots))
	until := ""
	if !s.OldUntil.IsZero() {
		until = s.OldUntil.UTC().Format(time.RFC3339)
	}
	set(out, keyOldUntil, []byte(until))
	return out
}

func setPair(out map[string][]byte, certKey, keyKey string, pair *pki.Pair) {
	if pair == nil {
		delete(out, certKey)
		delete(out, keyKey)
		return
	}
	set(out, certKey, pair.CertPEM)
	set(out, keyKey, pair.KeyPEM)
}

func set(out map[string][]byte, key string, value []byte) {
	if len(value) == 0 {
		delete(out, key)
		return
	}
	out[key] = value
}

// Trusted are the CAs that the caBundle must hold in this state: the roots, and
// the next CA from the moment it is announced. Expired ones are left out.
func (s State) Trusted(now time.Time) []*x509.Certificate {
	var next []*x509.Certificate
	if s.Next != nil {
		next = append(next, s.Next.Cert)
	}
	return pki.Unexpired(pki.Union(s.Roots, next), now)
}

// Certificate is the part of the state that a server needs; nil without a leaf.
func (s State) Certificate() *Certificate {
	if s.Leaf == nil {
		return nil
	}
	return &Certificate{Leaf: s.Leaf, Roots: s.Roots}
}

// sameLeaf reports whether both hold the same certificate and key.
func sameLeaf(a, b *pki.Pair) bool {
	return a != nil && b != nil && bytes.Equal(a.CertPEM, b.CertPEM) && bytes.Equal(a.KeyPEM, b.KeyPEM)
}

// Store is one Secret. Errors are those of k8s.io/apimachinery/pkg/api/errors.
type Store interface {
	Get(ctx context.Context) (*corev1.Secret, error)
	// Update writes the Secret and returns it as it was stored; a conflict when its
	// resourceVersion is not the latest any more.
	Update(ctx context.Context, secret *corev1.Secret) (*corev1.Secret, error)
	// Watch calls changed at first and at every change of the Secret, until ctx ends.
	// It tries again for ever; each failed call goes to failed, and nil after one that
	// succeeds.
	Watch(ctx context.Context, changed func(), failed func(error))
}

// secretStore reaches one Secret through the API. It needs get, list, watch and
// update on this name and nothing else: the Secret is created by the chart.
type secretStore struct {
	client Secrets
	name   string
}

// Secrets are those of one namespace; clients of client-go fit.
type Secrets interface {
	kube.Lister[*corev1.SecretList]
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
}

// NewStore returns the Store of the Secret of this name.
func NewStore(client Secrets, name string) Store {
	return &secretStore{client: client, name: name}
}

func (s *secretStore) Get(ctx context.Context) (*corev1.Secret, error) {
	return s.client.Get(ctx, s.name, metav1.GetOptions{})
}

func (s *secretStore) Update(ctx context.Context, secret *corev1.Secret) (*corev1.Secret, error) {
	return s.client.Update(ctx, secret, metav1.UpdateOptions{FieldManager: "istio-sidecar-injector"})
}

func (s *secretStore) Watch(ctx context.Context, changed func(), failed func(error)) {
	kube.Follow(ctx, s.client, s.name, func(*corev1.Secret, bool) { changed() }, failed)
}
