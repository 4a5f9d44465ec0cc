package kube

import (
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
)

// Clients reach the kinds of objects that the programs here work with, by
// client-go's REST client. The typed clients of client-go do the same, but link
// every API group of Kubernetes and keep it in memory, see decision 9.
type Clients struct {
	core, admission rest.Interface
	parameters      runtime.ParameterCodec
}

// NewClients returns clients for the API server of config. They share their
// connections. The error is about config: nothing is called yet.
func NewClients(config *rest.Config) (*Clients, error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(admissionv1.AddToScheme(scheme))
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	codecs := serializer.NewCodecFactory(scheme)
	group := func(path string, version schema.GroupVersion) (rest.Interface, error) {
		c := *config
		c.APIPath, c.GroupVersion = path, &version
		c.NegotiatedSerializer = rest.CodecFactoryForGeneratedClient(scheme, codecs).WithoutConversion()
		client, err := rest.RESTClientForConfigAndClient(&c, http)
		if err != nil {
			return nil, fmt.Errorf("API server %s: %w", config.Host, err)
		}
		return client, nil
	}
	c := &Clients{parameters: runtime.NewParameterCodec(scheme)}
	if c.core, err = group("/api", corev1.SchemeGroupVersion); err != nil {
		return nil, err
	}
	if c.admission, err = group("/apis", admissionv1.SchemeGroupVersion); err != nil {
		return nil, err
	}
	return c, nil
}

// Secrets of a namespace.
func (c *Clients) Secrets(namespace string) *Client[*corev1.Secret, *corev1.SecretList] {
	return client[corev1.Secret, corev1.SecretList](c, c.core, "secrets", namespace)
}

// ConfigMaps of a namespace.
func (c *Clients) ConfigMaps(namespace string) *Client[*corev1.ConfigMap, *corev1.ConfigMapList] {
	return client[corev1.ConfigMap, corev1.ConfigMapList](c, c.core, "configmaps", namespace)
}

// Events of a namespace.
func (c *Clients) Events(namespace string) *Client[*corev1.Event, *corev1.EventList] {
	return client[corev1.Event, corev1.EventList](c, c.core, "events", namespace)
}

// Pods of a namespace.
func (c *Clients) Pods(namespace string) *Client[*corev1.Pod, *corev1.PodList] {
	return client[corev1.Pod, corev1.PodList](c, c.core, "pods", namespace)
}

// Nodes of the cluster.
func (c *Clients) Nodes() *Client[*corev1.Node, *corev1.NodeList] {
	return client[corev1.Node, corev1.NodeList](c, c.core, "nodes", "")
}

// Namespaces of the cluster.
func (c *Clients) Namespaces() *Client[*corev1.Namespace, *corev1.NamespaceList] {
	return client[corev1.Namespace, corev1.NamespaceList](c, c.core, "namespaces", "")
}

// MutatingWebhookConfigurations of the cluster.
func (c *Clients) MutatingWebhookConfigurations() *Client[*admissionv1.MutatingWebhookConfiguration, *admissionv1.MutatingWebhookConfigurationList] {
	return client[admissionv1.MutatingWebhookConfiguration, admissionv1.MutatingWebhookConfigurationList](c, c.admission, "mutatingwebhookconfigurations", "")
}

// ValidatingWebhookConfigurations of the cluster.
func (c *Clients) ValidatingWebhookConfigurations() *Client[*admissionv1.ValidatingWebhookConfiguration, *admissionv1.ValidatingWebhookConfigurationList] {
	return client[admissionv1.ValidatingWebhookConfiguration, admissionv1.ValidatingWebhookConfigurationList](c, c.admission, "validatingwebhookconfigurations", "")
}

// client makes the client of a kind T with lists L.
func client[T, L any, PT interface {
	*T
	object
}, PL interface {
	*L
	runtime.Object
}](c *Clients, group rest.Interface, resource, namespace string,
) *Client[PT, PL] {
	return &Client[PT, PL]{
		group: group, parameters: c.parameters, resource: resource, namespace: namespace,
		one:  func() PT { return new(T) },
		list: func() PL { return new(L) },
	}
}
