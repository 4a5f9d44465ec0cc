package lab

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

const (
	// sidecarName and SidecarPort are what the demo's templates inject.
	sidecarName = "hello-proxy"
	SidecarPort = 8000

	appPort = 8080
)

// Hello is a deployment of one pod that answers requests on its own port; its
// image is the demo's workload.
func Hello(namespace, name, image string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					// The workload stops at once; nothing waits for it to drain.
					TerminationGracePeriodSeconds: ptr.To(int64(3)),
					Containers: []corev1.Container{{
						Name: "app", Image: image, Args: []string{"app"},
						Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: appPort}},
						Env: []corev1.EnvVar{{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{
							FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"},
						}}},
						ReadinessProbe: &corev1.Probe{
							ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(appPort)}},
							PeriodSeconds: 1,
						},
						SecurityContext: &corev1.SecurityContext{
							AllowPrivilegeEscalation: ptr.To(false),
							ReadOnlyRootFilesystem:   ptr.To(true),
							RunAsNonRoot:             ptr.To(true),
							Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
							SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
						},
					}},
				},
			},
		},
	}
}

// Sidecar returns the container that the demo's templates inject, wherever in
// the pod it is, or nil.
func Sidecar(pod *corev1.Pod) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if list[i].Name == sidecarName {
				return &list[i]
			}
		}
	}
	return nil
}

// SidecarEnv is the value of a variable of the sidecar, or "" when the pod has
// no sidecar or the sidecar no such variable.
func SidecarEnv(pod *corev1.Pod, name string) string {
	sidecar := Sidecar(pod)
	if sidecar == nil {
		return ""
	}
	for _, v := range sidecar.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

// ContainerNames lists a pod's containers in the order they start.
func ContainerNames(pod *corev1.Pod) []string {
	var names []string
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			names = append(names, c.Name+" (native sidecar)")
		} else {
			names = append(names, c.Name+" (init)")
		}
	}
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	return names
}

// InForce waits until pods like this one come out of admission as accept wants
// them. It asks with dry runs, so nothing is created.
func (l *Lab) InForce(ctx context.Context, pod *corev1.Pod, accept func(*corev1.Pod) bool) error {
	return poll(ctx, "the new template to be in force", func(ctx context.Context) (bool, error) {
		got, err := l.Client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err == nil && accept(got), err
	})
}
