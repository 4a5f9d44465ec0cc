package classic

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/aliases"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// Fragment is what a template renders.
type Fragment struct {
	RewriteAppHTTPProbe bool                          `json:"rewriteAppHTTPProbe"`
	InitContainers      []corev1.Container            `json:"initContainers"`
	Containers          []corev1.Container            `json:"containers"`
	Volumes             []corev1.Volume               `json:"volumes"`
	DNSConfig           *corev1.PodDNSConfig          `json:"dnsConfig"`
	ImagePullSecrets    []corev1.LocalObjectReference `json:"imagePullSecrets"`
	SecurityContext     *corev1.PodSecurityContext    `json:"securityContext"`

	text int // length of the text that it was read from
}

// expanded is what a text may be when its aliases are written out, which the library
// does: a long text may stand in many places.
func expanded() aliases.Bounds {
	return aliases.Bounds{Values: 100_000, Bytes: 4 << 20, Depth: 1000}
}

// ParseFragment reads a fragment in YAML. Where a field is a string, numbers are
// read as strings, because old templates give numbers as arguments.
//
// The text of a template holds what pods say, so a quantity may be there that must not
// be given to its library: that is looked for first.
func ParseFragment(ctx context.Context, text []byte) (*Fragment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := &Fragment{text: len(text)}
	if err := expanded().Text(text); err != nil {
		return nil, err
	}
	if err := checkQuantities(ctx, text); err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(text, f); err != nil {
		return nil, unusable(err)
	}
	// At the time of this dialect containers had no restart policy of their own, and
	// one in a template was ignored. Templates in use have `Always` on istio-init,
	// which today would make it an init container that never ends.
	for i := range f.InitContainers {
		f.InitContainers[i].RestartPolicy = nil
	}
	for i := range f.Containers {
		f.Containers[i].RestartPolicy = nil
		setConcurrency(&f.Containers[i])
	}
	return f, nil
}

// Size returns about how much memory the fragment takes, in bytes: its lists, and what
// the YAML library makes of text besides.
func (f *Fragment) Size() int {
	sum := 4*f.text + len(f.Volumes)*int(unsafe.Sizeof(corev1.Volume{}))
	for _, list := range [][]corev1.Container{f.InitContainers, f.Containers} {
		sum += len(list) * int(unsafe.Sizeof(corev1.Container{}))
		for i := range list {
			c := &list[i]
			sum += len(c.Env)*int(unsafe.Sizeof(corev1.EnvVar{})) +
				len(c.VolumeMounts)*int(unsafe.Sizeof(corev1.VolumeMount{})) +
				len(c.Ports)*int(unsafe.Sizeof(corev1.ContainerPort{}))
		}
	}
	return sum
}

// setConcurrency gives a proxy as many worker threads as it has CPUs, rounded
// up, unless the template says how many.
func setConcurrency(c *corev1.Container) {
	if c.Name != proxy.Name {
		return
	}
	if v, ok := flagValue(c.Args, "concurrency"); ok && v > 0 {
		return
	}
	milli := c.Resources.Limits.Cpu().MilliValue()
	if milli == 0 {
		milli = c.Resources.Requests.Cpu().MilliValue()
	}
	if cpus := int(math.Ceil(float64(milli) / 1000)); cpus > 0 {
		c.Args = append(slices.Clip(c.Args), "--concurrency", strconv.Itoa(cpus))
	}
}

// flagValue finds a numeric flag in either form, --name=value or --name value,
// with one dash or two.
func flagValue(args []string, name string) (int, bool) {
	for i, arg := range args {
		rest, ok := strings.CutPrefix(strings.TrimSpace(arg), "-")
		rest, named := strings.CutPrefix(strings.TrimPrefix(rest, "-"), name)
		if !ok || !named {
			continue
		}
		value, given := strings.CutPrefix(rest, "=")
		switch {
		case given && value != "" && strings.Trim(value, "0123456789") == "":
		case rest != "":
			continue // another flag, or no number
		case i+1 < len(args):
			value = args[i+1]
		}
		n, err := strconv.Atoi(value)
		return n, err == nil
	}
	return 0, false
}

// tokenMount is where the kubelet puts the service account's token.
const tokenMount = "/var/run/secrets/kubernetes.io/serviceaccount"

// Append adds the fragment to a pod. The proxy gets the mount of the service
// account's token that the application's containers have: the API server adds it
// before the injection, and does not add it to the proxy afterwards.
func (f *Fragment) Append(pod *corev1.Pod) {
	var token *corev1.VolumeMount
	for i := range pod.Spec.Containers {
		mounts := pod.Spec.Containers[i].VolumeMounts
		for j := range mounts {
			if mounts[j].MountPath == tokenMount {
				token = &mounts[j]
			}
		}
	}
	containers := slices.Clone(f.Containers)
	for i := range containers {
		if c := &containers[i]; c.Name == proxy.Name && token != nil {
			c.VolumeMounts = append(slices.Clip(c.VolumeMounts), *token)
		}
	}
	spec := &pod.Spec
	spec.InitContainers = append(slices.Clip(spec.InitContainers), f.InitContainers...)
	spec.Containers = append(slices.Clip(spec.Containers), containers...)
	spec.Volumes = append(slices.Clip(spec.Volumes), f.Volumes...)
	spec.ImagePullSecrets = append(slices.Clip(spec.ImagePullSecrets), f.ImagePullSecrets...)
	if f.DNSConfig != nil {
		spec.DNSConfig = f.DNSConfig
	}
	if f.SecurityContext != nil {
		spec.SecurityContext = f.SecurityContext
	}
}

// Revert removes what Append has set besides items of lists, which the status
// annotation names: a field of the spec that still has the fragment's value.
func (f *Fragment) Revert(pod *corev1.Pod) {
	spec := &pod.Spec
	if equality.Semantic.DeepEqual(f.DNSConfig, spec.DNSConfig) {
		spec.DNSConfig = nil
	}
	if equality.Semantic.DeepEqual(f.SecurityContext, spec.SecurityContext) {
		spec.SecurityContext = nil
	}
}
