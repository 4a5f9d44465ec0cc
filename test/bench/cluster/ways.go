// Package cluster measures the creation of pods through a real API server, with
// and without somebody who changes them on the way.
package cluster

import (
	"context"
	"fmt"

	admission "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// The ways, each in a namespace of its name.
const (
	None     = "none"     // nobody looks at the pods
	Allowed  = "allowed"  // a webhook that answers 'allowed'
	Constant = "constant" // a webhook that answers with one constant patch
	Injector = "injector" // ours
	Policy   = "policy"   // a MutatingAdmissionPolicy
)

// Ways returns all of them, in the order of the tables.
func Ways() []string { return []string{None, Allowed, Constant, Injector, Policy} }

const serviceAccount = "shop"

func typesUID(s string) types.UID { return types.UID(s) }

func namespaceOf(way string) string { return "bench-" + way }

func selectorOf(way string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespaceOf(way)}}
}

func onPodCreation() admission.RuleWithOperations {
	return admission.RuleWithOperations{
		Operations: []admission.OperationType{admission.Create},
		Rule:       admission.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
	}
}

// webhook makes the API server call a webhook for the way's namespace.
func webhook(ctx context.Context, l *lab.Lab, way string, client admission.WebhookClientConfig) error {
	fail, never, none := admission.Fail, admission.NeverReinvocationPolicy, admission.SideEffectClassNone
	_, err := l.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(ctx, &admission.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: namespaceOf(way)},
		Webhooks: []admission.MutatingWebhook{{
			Name: way + ".bench.example.com", ClientConfig: client, Rules: []admission.RuleWithOperations{onPodCreation()},
			NamespaceSelector: selectorOf(way), FailurePolicy: &fail, ReinvocationPolicy: &never, SideEffects: &none,
			AdmissionReviewVersions: []string{"v1"}, TimeoutSeconds: new(int32(10)),
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("webhook of %s: %w", way, err)
	}
	return nil
}

// policy makes the API server change pods of the way's namespace by itself.
func policy(ctx context.Context, l *lab.Lab, way string) error {
	fail := admission.Fail
	rules := []admission.NamedRuleWithOperations{{RuleWithOperations: onPodCreation()}}
	_, err := l.Client.AdmissionregistrationV1().MutatingAdmissionPolicies().Create(ctx, &admission.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: namespaceOf(way)},
		Spec: admission.MutatingAdmissionPolicySpec{
			FailurePolicy: &fail, ReinvocationPolicy: admission.NeverReinvocationPolicy,
			MatchConstraints: &admission.MatchResources{NamespaceSelector: selectorOf(way), ResourceRules: rules},
			Mutations: []admission.Mutation{{
				PatchType: admission.PatchTypeJSONPatch,
				JSONPatch: &admission.JSONPatch{Expression: policyExpression()},
			}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	_, err = l.Client.AdmissionregistrationV1().MutatingAdmissionPolicyBindings().Create(ctx, &admission.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespaceOf(way)},
		Spec:       admission.MutatingAdmissionPolicyBindingSpec{PolicyName: namespaceOf(way)},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("binding of the policy: %w", err)
	}
	return nil
}

// prepare makes the namespace of a way, with the account that its pods run as.
func prepare(ctx context.Context, l *lab.Lab, way string) error {
	if err := l.Namespace(ctx, namespaceOf(way), nil); err != nil {
		return err
	}
	_, err := l.Client.CoreV1().ServiceAccounts(namespaceOf(way)).Create(ctx, &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: serviceAccount},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("service account of %s: %w", way, err)
	}
	return nil
}

// podFor is the shape as a client creates it: without what only the API server
// and controllers write, without an owner (which would have to exist), and for
// a node that is not there.
func podFor(shape *corev1.Pod, way, name string) *corev1.Pod {
	pod := shape.DeepCopy()
	pod.ObjectMeta = metav1.ObjectMeta{
		Name: name, Namespace: namespaceOf(way), Labels: pod.Labels, Annotations: pod.Annotations,
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{"example.com/purpose": "bench"}
	}
	pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount = serviceAccount, ""
	pod.Spec.NodeSelector = map[string]string{"bench.example.com/no-such-node": "true"}
	return pod
}
