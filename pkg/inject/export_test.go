package inject

import corev1 "k8s.io/api/core/v1"

// InjectDecoded is what Inject does to a pod that is to be injected, so that
// tests can look at the pod that was given.
func (s *Snapshot) InjectDecoded(pod *corev1.Pod, req Request) (*corev1.Pod, error) {
	about := s.describe(pod, &req)
	w := &work{s: s, req: &req, original: pod, namespace: about.Namespace, owner: &about.Workload}
	return w.run()
}
