//go:build e2e

package chartscenarios

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

const injectFrom = "cert-manager.io/inject-ca-from"

var certificates = schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "certificates"}

// issuer keeps the two promises of cert-manager that the chart relies on: a
// Certificate gets its Secret, and a webhook configuration that names it gets the
// CA. It issues from one CA, whatever issuer is asked for.
type issuer struct {
	client kubernetes.Interface
	ca     *pki.Pair
}

func startIssuer(ctx context.Context, l *lab.Lab) (stop func(), err error) {
	ca, err := pki.NewCA(pki.CARequest{Subject: pki.Subject{CommonName: "issuer of the tests"}, Validity: time.Hour}, time.Now())
	if err != nil {
		return nil, err
	}
	dynamicClient, err := dynamic.NewForConfig(l.Config)
	if err != nil {
		return nil, err
	}
	i := &issuer{client: l.Client, ca: ca}
	ctx, cancel := context.WithCancel(ctx)
	on := func(act func(context.Context, any) error) cache.ResourceEventHandlerFuncs {
		handle := func(object any) {
			if err := act(ctx, object); err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "issuer:", err)
			}
		}
		return cache.ResourceEventHandlerFuncs{AddFunc: handle, UpdateFunc: func(_, object any) { handle(object) }}
	}
	// The resync is the retry: an object that could not be served is looked at again.
	custom := dynamicinformer.NewDynamicSharedInformerFactory(dynamicClient, 2*time.Second)
	builtin := informers.NewSharedInformerFactory(l.Client, 2*time.Second)
	_, certErr := custom.ForResource(certificates).Informer().AddEventHandler(on(i.issue))
	_, hookErr := builtin.Admissionregistration().V1().MutatingWebhookConfigurations().Informer().AddEventHandler(on(i.inject))
	if err := errors.Join(certErr, hookErr); err != nil {
		cancel()
		return nil, err
	}
	custom.Start(ctx.Done())
	builtin.Start(ctx.Done())
	return func() {
		cancel()
		custom.Shutdown()
		builtin.Shutdown()
	}, nil
}

// issue makes the Secret of a Certificate that has none.
func (i *issuer) issue(ctx context.Context, object any) error {
	certificate, ok := object.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("got a %T, want a Certificate", object)
	}
	namespace := certificate.GetNamespace()
	name, _, _ := unstructured.NestedString(certificate.Object, "spec", "secretName")
	isCA, _, _ := unstructured.NestedBool(certificate.Object, "spec", "isCA")
	hosts, _, _ := unstructured.NestedStringSlice(certificate.Object, "spec", "dnsNames")
	secrets := i.client.CoreV1().Secrets(namespace)
	if _, err := secrets.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return err
	}
	pair := i.ca
	if !isCA {
		leaf, err := pki.IssueLeaf(i.ca, pki.LeafRequest{CommonName: hosts[0], Hosts: hosts, Validity: time.Hour}, time.Now())
		if err != nil {
			return fmt.Errorf("certificate %s/%s: %w", namespace, certificate.GetName(), err)
		}
		pair = leaf
	}
	_, err := secrets.Create(ctx, &corev1.Secret{
		// The owner takes the Secret along; cert-manager does so when told to.
		ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: certificate.GetAPIVersion(), Kind: certificate.GetKind(), Name: certificate.GetName(), UID: certificate.GetUID(),
		}}},
		Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{"tls.crt": pair.CertPEM, "tls.key": pair.KeyPEM, "ca.crt": i.ca.CertPEM},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		return nil // somebody was faster, or the namespace is going away
	}
	return err
}

// inject puts the CA into a webhook configuration that asks for it.
func (i *issuer) inject(ctx context.Context, object any) error {
	configuration, ok := object.(*admissionv1.MutatingWebhookConfiguration)
	if !ok {
		return fmt.Errorf("got a %T, want a MutatingWebhookConfiguration", object)
	}
	if configuration.Annotations[injectFrom] == "" {
		return nil
	}
	var patch []map[string]string
	for n, webhook := range configuration.Webhooks {
		if string(webhook.ClientConfig.CABundle) != string(i.ca.CertPEM) {
			patch = append(patch, map[string]string{
				"op": "add", "path": fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", n),
				"value": base64.StdEncoding.EncodeToString(i.ca.CertPEM),
			})
		}
	}
	if len(patch) == 0 {
		return nil
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = i.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, configuration.Name, types.JSONPatchType, text, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
