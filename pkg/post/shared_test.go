package post_test

import (
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/post"
)

// withRoom gives every list beneath a value room for one more item, where an
// append that forgets whose the list is would write.
func withRoom(v reflect.Value) {
	beneath(v, func(list reflect.Value) {
		grown := reflect.MakeSlice(list.Type(), list.Len(), list.Len()+1)
		reflect.Copy(grown, list)
		list.Set(grown)
	})
}

// untouched reports whether nobody has written into that room.
func untouched(v reflect.Value) bool {
	clean := true
	beneath(v, func(list reflect.Value) {
		clean = clean && list.Slice(0, list.Cap()).Index(list.Len()).IsZero()
	})
	return clean
}

func beneath(v reflect.Value, do func(list reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			beneath(v.Elem(), do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				beneath(v.Field(i), do)
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		do(v)
		for i := range v.Len() {
			beneath(v.Index(i), do)
		}
	}
}

// sharedPod is a pod with all that the steps look for.
func sharedPod(seed uint64) *corev1.Pod {
	g := podgen.New(seed)
	g.Fill = 50
	pod := podgen.Typed[corev1.Pod](g)
	spec := &pod.Spec
	name := func(list []corev1.Container, names ...string) []corev1.Container {
		for len(list) < len(names) {
			list = append(list, *podgen.Typed[corev1.Container](g))
		}
		for i := range names {
			list[i].Name = names[i]
			list[i].Args = []string{"-u", "1337", "--statusPort", "15020"}
			list[i].Env = []corev1.EnvVar{
				{Name: post.SecurePortEnv, Value: "1"},
				{Name: post.ClusterEnv, Value: "before"},
				{Name: post.ProbersEnv, Value: `{"/app-health/app/readyz": {"httpGet": {"path": "/was", "port": 1}}, "/app-lifecycle/app/prestopz": {"tcpSocket": {"port": 2}}}`},
				{Name: post.ScrapeEnv, Value: `{"scrape": "true", "port": "1", "targets": [{"port": "1", "path": "/"}]}`},
			}
			list[i].VolumeMounts = []corev1.VolumeMount{{Name: "t", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}}
			list[i].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/app-lifecycle/app/prestopz"}}}
			list[i].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/app-health/app/readyz"}}}
			if seed%4 < 2 {
				slices.Reverse(list[i].Env)
			}
		}
		return list
	}
	if seed%2 == 0 {
		spec.Containers = name(spec.Containers, post.Proxy, "app")
		spec.InitContainers = name(spec.InitContainers, post.Init, post.Validation, post.EnableCoreDump)
	} else {
		spec.Containers = name(spec.Containers, "app", "other")
		spec.InitContainers = name(spec.InitContainers, post.Validation, post.Proxy)
	}
	withRoom(reflect.ValueOf(pod))
	return pod
}

// What hangs below the lists of containers, labels and annotations may belong to
// other pods: no step writes to it, nor into what room its lists have.
func TestStepsWriteToNothingShared(t *testing.T) {
	user, group := int64(5), int64(6)
	declared := &corev1.Container{SecurityContext: &corev1.SecurityContext{RunAsUser: &user, RunAsGroup: &group}}
	steps := map[string]func(pod, other *corev1.Pod){
		"Cluster": func(pod, _ *corev1.Pod) {
			post.Cluster(pod, map[string]string{post.ClusterEnv: "c", post.NetworkEnv: "n"}, true)
		},
		"Prometheus": func(pod, _ *corev1.Pod) {
			pod.Annotations["prometheus.io/port"] = "1"
			if err := post.Prometheus(pod, post.Metrics{Merge: true, StatusPort: 15020}); err != nil {
				t.Error(err)
			}
		},
		"SecurePort": func(pod, _ *corev1.Pod) { post.SecurePort(pod) },
		"RewriteProbes": func(pod, _ *corev1.Pod) {
			post.RewriteProbes(pod, post.Probes{Rewrite: true, StatusPort: 15020}, false)
		},
		"RewriteProbes again": func(pod, _ *corev1.Pod) {
			post.RewriteProbes(pod, post.Probes{Rewrite: true, StatusPort: 15020}, true)
		},
		"RewriteClassic":     func(pod, _ *corev1.Pod) { post.RewriteClassic(pod) },
		"ProxyUser":          func(pod, _ *corev1.Pod) { post.ProxyUser(pod, declared, false) },
		"ProxyUser, TPROXY":  func(pod, _ *corev1.Pod) { post.ProxyUser(pod, declared, true) },
		"Order":              func(pod, _ *corev1.Pod) { post.Order(pod, true); post.Order(pod, false) },
		"ForgetAssignedUser": func(pod, _ *corev1.Pod) { post.ForgetAssignedUser(pod) },
		"KeepOrder":          func(pod, other *corev1.Pod) { post.KeepOrder(&other.Spec, &pod.Spec) },
		"MoveProxy":          func(pod, _ *corev1.Pod) { post.MoveProxy(&pod.Spec) },
		"UnmoveProxy":        func(pod, _ *corev1.Pod) { post.UnmoveProxy(&pod.Spec) },
		"ForgetFields":       func(pod, other *corev1.Pod) { post.ForgetFields(&pod.Spec, &other.Spec) },
		"SetTokenGroup":      func(pod, _ *corev1.Pod) { post.SetTokenGroup(&pod.Spec); post.UnsetTokenGroup(&pod.Spec) },
		"RestoreProbes": func(pod, _ *corev1.Pod) {
			post.RestoreProbes(&pod.Spec, post.FindAnywhere(&pod.Spec, post.Proxy))
		},
		"RestoreScrape": func(pod, _ *corev1.Pod) {
			pod.Annotations["prometheus.io/port"], pod.Annotations["prometheus.io/path"] = "15020", "/stats/prometheus"
			post.RestoreScrape(pod.Annotations, post.FindAnywhere(&pod.Spec, post.Proxy), 15020)
		},
		"RestoreClassic": func(pod, _ *corev1.Pod) {
			post.RewriteClassic(pod)
			post.RestoreClassic(&pod.Spec, post.FindAnywhere(&pod.Spec, post.Proxy))
		},
		"DropRewritten": func(pod, other *corev1.Pod) {
			post.RewriteProbes(pod, post.Probes{Rewrite: true, StatusPort: 15020}, true)
			for i := range pod.Spec.Containers {
				c := pod.Spec.Containers[i]
				post.DropRewritten(&pod.Spec.Containers[i], &c)
			}
		},
		"Append": func(pod, other *corev1.Pod) {
			f := post.Fragment{
				InitContainers: other.Spec.InitContainers, Containers: other.Spec.Containers, Volumes: other.Spec.Volumes,
				ImagePullSecrets: other.Spec.ImagePullSecrets, DNSConfig: other.Spec.DNSConfig, SecurityContext: other.Spec.SecurityContext,
			}
			f.Append(pod)
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			changes := false
			for seed := range uint64(16) {
				shared, other := sharedPod(seed), sharedPod(seed+2)
				was, otherWas := shared.DeepCopy(), other.DeepCopy()
				pod := *shared
				if name != "MoveProxy" { // which takes whatever it is given
					post.Own(&pod)
				}
				owned := pod.DeepCopy()
				step(&pod, other)
				if !reflect.DeepEqual(shared, was) || !reflect.DeepEqual(other, otherWas) {
					t.Fatalf("seed %d: what is shared has been changed", seed)
				}
				if !untouched(reflect.ValueOf(shared)) || !untouched(reflect.ValueOf(other)) {
					t.Fatalf("seed %d: something has been appended to a list that is shared", seed)
				}
				changes = changes || !reflect.DeepEqual(&pod, owned)
			}
			if !changes {
				t.Error("the step has never done anything")
			}
		})
	}
}
