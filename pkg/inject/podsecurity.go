package inject

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// evaluator is Kubernetes' own judge of Pod Security.
type evaluator interface {
	EvaluatePod(podsecurity.LevelVersion, *metav1.ObjectMeta, *corev1.PodSpec) []policy.CheckResult
}

// securityWarnings warns when the pod-security level that the namespace enforces
// would refuse the pod because of what was injected: the person who created the pod
// would otherwise look for the fault in it.
func (r *request) securityWarnings(after *corev1.Pod) []string {
	if r.options.Cluster == nil {
		return nil
	}
	before := r.received.Pod
	labels, _, ok := r.options.Cluster.Namespace(r.namespace)
	level, err := podsecurity.ParseLevel(labels[podsecurity.EnforceLevelLabel])
	if !ok || err != nil || level == podsecurity.LevelPrivileged {
		return nil
	}
	at := podsecurity.LevelVersion{Level: level, Version: podsecurity.LatestVersion()}
	if v, err := podsecurity.ParseVersion(labels[podsecurity.EnforceVersionLabel]); err == nil {
		at.Version = v
	}
	now := r.security.EvaluatePod(at, &after.ObjectMeta, &after.Spec)
	if policy.AggregateCheckResults(now).Allowed {
		return nil
	}
	was := r.security.EvaluatePod(at, &before.ObjectMeta, &before.Spec)
	reasons := newReasons(was, now)
	if len(reasons) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the namespace's pod security level %s refuses what is injected: %s", level, strings.Join(reasons, ", "))}
}

// newReasons are those that the pod did not have before the injection.
func newReasons(was, now []policy.CheckResult) []string {
	had := map[string]bool{}
	for _, r := range was {
		if !r.Allowed {
			had[r.ForbiddenReason] = true
		}
	}
	var out []string
	for _, r := range now {
		if !r.Allowed && !had[r.ForbiddenReason] {
			out = append(out, r.ForbiddenReason)
		}
	}
	return out
}
