package webhookcfg

import (
	"context"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
)

// GuardWebhook is the name of the entry, in a ValidatingWebhookConfiguration, by
// which the API server asks about the injector's own configuration.
const GuardWebhook = "configuration.sidecar-injector.istio.io"

// Configurations are the cluster's webhook configurations of one kind; clients of
// client-go fit.
type Configurations[T interface {
	runtime.Object
	metav1.Object
}, L runtime.Object] interface {
	kube.Lister[L]
	Get(ctx context.Context, name string, opts metav1.GetOptions) (T, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (T, error)
}

// mutatingClient is for the webhook configurations that API servers ask about pods.
type mutatingClient = Configurations[*admissionv1.MutatingWebhookConfiguration, *admissionv1.MutatingWebhookConfigurationList]

// validatingClient is for those that they ask about the injector's configuration.
type validatingClient = Configurations[*admissionv1.ValidatingWebhookConfiguration, *admissionv1.ValidatingWebhookConfigurationList]

// configuration is what is read of a webhook configuration of either kind.
type configuration struct {
	name, resourceVersion string
	uid                   types.UID
	generation            int64
	webhooks              []webhook
}

// webhook is one entry of a configuration.
type webhook struct {
	name     string
	caBundle []byte
}

// kind reads and writes the webhook configurations of one kind.
type kind struct {
	wording
	resource string // the API's name for it
	// prefix of the names of its troubles, so that they can be told from the other
	// kind's.
	prefix string
	// deleted and unwritten say what follows when the configuration was deleted, and
	// when its caBundle cannot be written.
	deleted, unwritten string

	get    func(ctx context.Context, name string) (*configuration, error)
	patch  func(ctx context.Context, name string, body []byte) (*configuration, error)
	follow func(ctx context.Context, name string, changed func(), failed func(error))
}

func mutatingWording() wording {
	return wording{title: "webhook configuration", mend: "set --webhookName"}
}

func mutatingKind(client mutatingClient) *kind {
	k := &kind{
		wording: mutatingWording(), resource: "mutatingwebhookconfigurations",
		deleted:   "no pod is injected until it is there again, which helm upgrade sees to",
		unwritten: "until it works no pod can be admitted by this webhook",
	}
	connect(k, client, mutating)
	return k
}

func validatingKind(client validatingClient) *kind {
	k := &kind{
		wording:  wording{title: "validating webhook configuration", mend: "helm upgrade brings it back"},
		resource: "validatingwebhookconfigurations", prefix: "guard-",
		deleted:   "changes of the injector's configuration are stored without a look at them until it is there again, which helm upgrade sees to",
		unwritten: "until it works changes of the injector's configuration are stored without a look at them",
	}
	connect(k, client, validating)
	return k
}

// connect lets the kind use a client, whose objects read translates.
func connect[T interface {
	runtime.Object
	metav1.Object
}, L runtime.Object](k *kind, client Configurations[T, L], read func(T) *configuration) {
	k.get = func(ctx context.Context, name string) (*configuration, error) {
		obj, err := client.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return read(obj), nil
	}
	k.patch = func(ctx context.Context, name string, body []byte) (*configuration, error) {
		obj, err := client.Patch(ctx, name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: "istio-sidecar-injector"})
		if err != nil {
			return nil, err
		}
		return read(obj), nil
	}
	k.follow = func(ctx context.Context, name string, changed func(), failed func(error)) {
		kube.Follow(ctx, client, name, func(T, bool) { changed() }, failed)
	}
}

// mutating reads a MutatingWebhookConfiguration.
func mutating(config *admissionv1.MutatingWebhookConfiguration) *configuration {
	c := identify(config)
	for _, w := range config.Webhooks {
		c.webhooks = append(c.webhooks, webhook{w.Name, w.ClientConfig.CABundle})
	}
	return c
}

// validating reads a ValidatingWebhookConfiguration.
func validating(config *admissionv1.ValidatingWebhookConfiguration) *configuration {
	c := identify(config)
	for _, w := range config.Webhooks {
		c.webhooks = append(c.webhooks, webhook{w.Name, w.ClientConfig.CABundle})
	}
	return c
}

func identify(o metav1.Object) *configuration {
	return &configuration{name: o.GetName(), resourceVersion: o.GetResourceVersion(), uid: o.GetUID(), generation: o.GetGeneration()}
}

// entries are the webhooks of the configuration that names chooses.
func (c *configuration) entries(names []string) []entry {
	var out []entry
	for i, w := range c.webhooks {
		if slices.Contains(names, w.name) {
			out = append(out, entry{index: i, name: w.name, live: w.caBundle})
		}
	}
	return out
}
