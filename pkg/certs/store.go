package certs

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
)

// Store is one Secret. Errors are those of k8s.io/apimachinery/pkg/api/errors.
type Store interface {
	Get(ctx context.Context) (*corev1.Secret, error)
	// Update writes the Secret and returns it as it was stored; a conflict when its
	// resourceVersion is not the latest any more.
	Update(ctx context.Context, secret *corev1.Secret) (*corev1.Secret, error)
	// Watch calls on with the Secret at first and at every change, nil while there
	// is none, until ctx ends. It tries again for ever; failures go to failed, and a
	// nil means that it works again.
	Watch(ctx context.Context, on func(*corev1.Secret), failed func(error))
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

func (s *secretStore) Watch(ctx context.Context, on func(*corev1.Secret), failed func(error)) {
	kube.Follow(ctx, s.client, s.name, func(secret *corev1.Secret, exists bool) {
		if !exists {
			secret = nil
		}
		on(secret)
	}, failed)
}
