//go:build integration

package replicas

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
)

// History counts what happens to the Secret.
type History struct {
	mu         sync.Mutex
	leaf, ca   string
	Renewals   int
	CAChanges  int
	Announced  int
	Pruned     int
	roots      int
	nextActive bool
	phases     chan certs.Action
}

// Follow starts to count, until ctx ends.
func (s *Site) Follow(ctx context.Context) *History {
	h := &History{phases: make(chan certs.Action, 100)}
	go kube.Follow(ctx, s.Lab.Client.CoreV1().Secrets(Namespace), Secret, h.see, func(error) {})
	return h
}

// Phases receives each step that a change of CA takes.
func (h *History) Phases() <-chan certs.Action { return h.phases }

// Counts returns leaf renewals and changes of CA so far.
func (h *History) Counts() (renewals, caChanges int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Renewals, h.CAChanges
}

func (h *History) see(secret *corev1.Secret, exists bool) {
	if !exists || len(secret.Data[certs.KeyChain]) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	state := certs.ParseState(secret.Data)
	leaf, ca := string(secret.Data[certs.KeyChain]), string(secret.Data[certs.KeyCA])
	if next := state.Next != nil; next != h.nextActive {
		h.nextActive = next
		if next {
			h.Announced++
			h.tell(certs.AnnounceCA)
		}
	}
	switch {
	case h.ca != "" && ca != h.ca:
		h.CAChanges++
		h.tell(certs.SwitchCA)
	case h.leaf != "" && leaf != h.leaf:
		h.Renewals++
		h.tell(certs.RenewLeaf)
	case len(state.Roots) < h.roots:
		h.Pruned++
		h.tell(certs.PruneCA)
	}
	h.leaf, h.ca, h.roots = leaf, ca, len(state.Roots)
}

func (h *History) tell(a certs.Action) {
	select {
	case h.phases <- a:
	default: // nobody reads
	}
}

// Handshakes tries what an API server does that has no connection yet: a TLS
// handshake with each replica, trusting nothing but the live caBundle. The API
// server itself keeps connections, so its calls alone would not show every leaf.
type Handshakes struct {
	mu       sync.Mutex
	Done     int
	Failures []error
}

// Probe tries every given replica again and again until ctx ends.
func (s *Site) Probe(ctx context.Context, replicas []*Replica) *Handshakes {
	h := &Handshakes{}
	for _, r := range replicas {
		go func() {
			for ctx.Err() == nil {
				err := s.Handshake(ctx, r)
				if ctx.Err() != nil {
					return
				}
				h.mu.Lock()
				h.Done++
				if err != nil {
					h.Failures = append(h.Failures, fmt.Errorf("%s at %s: %w", r.Name, time.Now().Format("15:04:05.000"), err))
				}
				h.mu.Unlock()
				// Twenty a second for each replica, which sees every leaf many times.
				select {
				case <-ctx.Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		}()
	}
	return h
}

// Result returns what was counted so far.
func (h *Handshakes) Result() (done int, failures []error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Done, h.Failures
}

// Handshake reads the live caBundle and makes one connection with it.
func (s *Site) Handshake(ctx context.Context, r *Replica) error {
	_, err := s.Served(ctx, r)
	return err
}

// Served is the certificate that the replica serves, once the live caBundle has
// been found to trust it.
func (s *Site) Served(ctx context.Context, r *Replica) (*x509.Certificate, error) {
	config, err := s.Lab.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, Config, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return r.trustedBy(ctx, config.Webhooks[0].ClientConfig.CABundle)
}

// GuardHandshake is Handshake with the caBundle by which API servers ask about the
// injector's own ConfigMaps.
func (s *Site) GuardHandshake(ctx context.Context, r *Replica) error {
	config, err := s.Lab.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, Config, metav1.GetOptions{})
	if err != nil {
		return err
	}
	_, err = r.trustedBy(ctx, config.Webhooks[0].ClientConfig.CABundle)
	return err
}

// trustedBy makes one connection with a caBundle, and returns the certificate that is
// served.
func (r *Replica) trustedBy(ctx context.Context, caBundle []byte) (*x509.Certificate, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caBundle) {
		return nil, fmt.Errorf("caBundle holds no certificate: %q", caBundle)
	}
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{Timeout: 10 * time.Second},
		Config:    &tls.Config{RootCAs: pool, ServerName: Service + "." + Namespace + ".svc", MinVersion: tls.VersionTLS12},
	}
	conn, err := dialer.DialContext(ctx, "tcp", r.Address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}
