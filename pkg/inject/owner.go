package inject

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ownerOf derives the workload behind a pod from the pod alone. The names that
// Kubernetes' controllers give to what they create tell the rest.
func ownerOf(pod *corev1.Pod, namespace string) Owner {
	o := Owner{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: namespace},
	}
	if pod.GenerateName == "" {
		return o
	}
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil {
		return o
	}
	o.TypeMeta = metav1.TypeMeta{Kind: ref.Kind, APIVersion: ref.APIVersion}
	if ref.Name != "" {
		o.ObjectMeta.Name = ref.Name
	}
	switch ref.Kind {
	case "ReplicaSet":
		if name, ok := withoutHash(ref.Name, pod.Labels["rollouts-pod-template-hash"]); ok {
			o.ObjectMeta.Name, o.TypeMeta = name, metav1.TypeMeta{Kind: "Rollout", APIVersion: "v1alpha1"}
		} else if name, ok := withoutHash(ref.Name, pod.Labels["pod-template-hash"]); ok {
			o.ObjectMeta.Name, o.TypeMeta.Kind = name, "Deployment"
		}
	case "ReplicationController":
		if name := pod.Labels["deploymentconfig"]; name != "" {
			o.ObjectMeta.Name, o.TypeMeta.Kind = name, "DeploymentConfig"
		}
	case "Job":
		if name, ok := cronJobOf(ref.Name); ok {
			o.ObjectMeta.Name, o.TypeMeta = name, metav1.TypeMeta{Kind: "CronJob", APIVersion: "batch/v1"}
		}
	}
	return o
}

// withoutHash takes the suffix -hash off a name.
func withoutHash(name, hash string) (string, bool) {
	if hash == "" {
		return "", false
	}
	short, ok := strings.CutSuffix(name, "-"+hash)
	return short, ok && short != ""
}

// cronJobOf takes the time off the name that a CronJob gives to its jobs: 8 to
// 10 digits, the scheduled minute since 1970.
func cronJobOf(job string) (string, bool) {
	i := strings.LastIndexByte(job, '-')
	if i <= 0 {
		return "", false
	}
	digits := job[i+1:]
	if len(digits) < 8 || len(digits) > 10 || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return job[:i], true
}
