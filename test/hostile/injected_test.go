//go:build integration && linux

package hostile

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
)

// What the chart's template adds to a pod, whatever the pod says.
var (
	sidecarName   = "istio-proxy"
	addedNames    = []string{"istio-init", sidecarName}
	addedVolumes  = []string{"workload-socket", "credential-socket", "workload-certs", "istio-envoy", "istio-data", "istio-podinfo", "istio-token", "istiod-ca-cert", "istio-ca-crl", "istio-certs"}
	addedPrefixes = []string{"istio.io/", "sidecar.istio.io/", "security.istio.io/", "service.istio.io/", "prometheus.io/", "proxy.istio.io/", "kubectl.kubernetes.io/default-"}
	sidecarEnv    = []string{
		"PILOT_CERT_PROVIDER", "CA_ADDR", "POD_NAME", "POD_NAMESPACE", "INSTANCE_IP", "SERVICE_ACCOUNT", "HOST_IP", "ISTIO_CPU_LIMIT", "PROXY_CONFIG",
		"GOMEMLIMIT", "TRUST_DOMAIN", "ISTIO_KUBE_APP_PROBERS", "ISTIO_PROMETHEUS_ANNOTATIONS",
		"ISTIO_BOOTSTRAP_OVERRIDE",
	}
)

// injectedOnce says what a patch does to a pod beside adding the sidecar once:
// what the pod had must still be there, and only the template's own may be new.
// also is a further check of the patched pod; it may be nil.
func injectedOnce(pod, patch []byte, also func(*corev1.Pod) error) error {
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return fmt.Errorf("the patch does not parse: %w", err)
	}
	text, err := p.Apply(pod)
	if err != nil {
		return fmt.Errorf("the patch does not apply: %w", err)
	}
	var before, after corev1.Pod
	if err := json.Unmarshal(pod, &before); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &after); err != nil {
		return fmt.Errorf("the patched pod does not parse: %w", err)
	}
	for _, check := range []func(before, after *corev1.Pod) error{containersKept, sidecarOnce, volumesKept, metadataKept, restKept} {
		if err := check(&before, &after); err != nil {
			return err
		}
	}
	if also == nil {
		return nil
	}
	return also(&after)
}

// containersKept: the pod's own are there, in their order, with the image and the
// rights that they had, and nothing is between them but the template's.
func containersKept(before, after *corev1.Pod) error {
	for _, list := range []struct {
		kind          string
		before, after []corev1.Container
	}{{"init containers", before.Spec.InitContainers, after.Spec.InitContainers}, {"containers", before.Spec.Containers, after.Spec.Containers}} {
		own := slices.DeleteFunc(slices.Clone(list.after), func(c corev1.Container) bool { return slices.Contains(addedNames, c.Name) })
		had := slices.DeleteFunc(slices.Clone(list.before), func(c corev1.Container) bool { return slices.Contains(addedNames, c.Name) })
		if len(own) != len(had) {
			return fmt.Errorf("the pod had %d %s of its own and has %d", len(had), list.kind, len(own))
		}
		for i := range had {
			if had[i].Name != own[i].Name || had[i].Image != own[i].Image || !reflect.DeepEqual(had[i].SecurityContext, own[i].SecurityContext) ||
				!reflect.DeepEqual(had[i].Command, own[i].Command) || len(had[i].Env) > len(own[i].Env) {
				return fmt.Errorf("%s[%d]: was %s with %s, is %s with %s", list.kind, i, cut(had[i].Name), cut(had[i].Image), cut(own[i].Name), cut(own[i].Image))
			}
		}
	}
	return nil
}

func sidecars(pod *corev1.Pod) (all []corev1.Container) {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name == sidecarName {
			all = append(all, c)
		}
	}
	return all
}

// sidecarOnce: there is one, with no more rights than the template gives it.
func sidecarOnce(before, after *corev1.Pod) error {
	all, declared := sidecars(after), sidecars(before)
	if len(all) != max(1, len(declared)) { // an API server refuses two of one name
		return fmt.Errorf("the pod has %d containers %s, want 1", len(all), sidecarName)
	}
	c := all[0]
	if len(declared) > 0 {
		return nil // the user's declaration is merged in, which is a feature
	}
	s := c.SecurityContext
	if s == nil || is(s.Privileged) || is(s.AllowPrivilegeEscalation) || !is(s.ReadOnlyRootFilesystem) {
		return fmt.Errorf("the sidecar has the rights %+v", s)
	}
	if len(c.Command) > 0 || len(c.EnvFrom) > 0 {
		return fmt.Errorf("the sidecar has the command %q and environment from %v", c.Command, c.EnvFrom)
	}
	for _, e := range c.Env {
		if !slices.Contains(sidecarEnv, e.Name) && !strings.HasPrefix(e.Name, "ISTIO_META") && before.Annotations["proxy.istio.io/config"] == "" {
			return fmt.Errorf("the sidecar has the variable %q", cut(e.Name))
		}
	}
	for _, m := range c.VolumeMounts {
		if !slices.Contains(addedVolumes, m.Name) && !strings.HasPrefix(m.Name, "kube-api-access-") && m.Name != "custom-bootstrap-volume" &&
			before.Annotations["sidecar.istio.io/userVolumeMount"] == "" {
			return fmt.Errorf("the sidecar mounts %q", cut(m.Name))
		}
	}
	return nil
}

func is(b *bool) bool { return b != nil && *b }

func volumesKept(before, after *corev1.Pod) error {
	had, has := map[string]bool{}, map[string]bool{}
	for _, v := range before.Spec.Volumes {
		had[v.Name] = true
	}
	for _, v := range after.Spec.Volumes {
		has[v.Name] = true
		if !had[v.Name] && !slices.Contains(addedVolumes, v.Name) && v.Name != "custom-bootstrap-volume" && before.Annotations["sidecar.istio.io/userVolume"] == "" {
			return fmt.Errorf("the pod got the volume %q", cut(v.Name))
		}
	}
	for name := range had {
		if !has[name] {
			return fmt.Errorf("volume %q is lost", cut(name))
		}
	}
	return nil
}

func metadataKept(before, after *corev1.Pod) error {
	for _, m := range []struct {
		kind          string
		before, after map[string]string
	}{{"label", before.Labels, after.Labels}, {"annotation", before.Annotations, after.Annotations}} {
		for key := range m.before {
			if _, kept := m.after[key]; !kept {
				return fmt.Errorf("%s %q is lost", m.kind, cut(key))
			}
		}
		for key := range m.after {
			if _, had := m.before[key]; !had && !slices.ContainsFunc(addedPrefixes, func(p string) bool { return strings.HasPrefix(key, p) }) {
				return fmt.Errorf("the pod got the %s %q", m.kind, cut(key))
			}
		}
	}
	if before.Name != after.Name || before.Namespace != after.Namespace || !maps.Equal(ownersOf(before), ownersOf(after)) {
		return fmt.Errorf("name or owners changed: %s/%s", cut(after.Namespace), cut(after.Name))
	}
	return nil
}

func ownersOf(p *corev1.Pod) map[string]string {
	owners := map[string]string{}
	for _, o := range p.OwnerReferences {
		owners[o.Kind] = o.Name
	}
	return owners
}

// restKept: nothing else of the spec is changed, such as hostNetwork or the
// service account.
func restKept(before, after *corev1.Pod) error {
	rest := func(p *corev1.Pod) corev1.PodSpec {
		s := p.Spec
		s.Containers, s.InitContainers, s.Volumes, s.SecurityContext = nil, nil, nil, nil
		return s
	}
	if b, a := rest(before), rest(after); !reflect.DeepEqual(b, a) {
		had, _ := json.Marshal(b)
		has, _ := json.Marshal(a)
		return fmt.Errorf("the spec was %s and is %s", cut(string(had)), cut(string(has)))
	}
	return nil
}
