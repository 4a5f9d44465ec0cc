package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func list(names ...string) []corev1.Container {
	var out []corev1.Container
	for _, n := range names {
		out = append(out, corev1.Container{Name: n})
	}
	return out
}

func joined(l []corev1.Container) string {
	var out []string
	for _, c := range l {
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

// newPod is a pod with an application and the proxy, owned by the test.
func newPod(annotations map[string]string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}}
	pod.Spec.Containers = list("app", Name)
	return CopyForWrite(pod)
}

func env(t *testing.T, pod *corev1.Pod, name string) string {
	t.Helper()
	c := Find(&pod.Spec)
	if c == nil {
		return "(no proxy)"
	}
	if e := LookupEnv(c, name); e != nil {
		return e.Value
	}
	return "(not set)"
}

func i64(n int64) *int64 { return &n }

func port(p any) intstr.IntOrString {
	if s, ok := p.(string); ok {
		return intstr.FromString(s)
	}
	return intstr.FromInt32(int32(p.(int)))
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
