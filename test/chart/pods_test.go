package chart

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// pod is a pod, or a template of pods, and the object it is in.
type pod struct {
	owner *object
	meta  metav1.ObjectMeta
	spec  corev1.PodSpec
}

func podsOf(t testing.TB, objects []*object) []pod {
	t.Helper()
	var out []pod
	for _, o := range objects {
		switch o.GetKind() {
		case "Deployment":
			d := into[appsv1.Deployment](t, o)
			out = append(out, pod{o, d.Spec.Template.ObjectMeta, d.Spec.Template.Spec})
		case "Job":
			j := into[batchv1.Job](t, o)
			out = append(out, pod{o, j.Spec.Template.ObjectMeta, j.Spec.Template.Spec})
		case "CronJob":
			j := into[batchv1.CronJob](t, o)
			out = append(out, pod{o, j.Spec.JobTemplate.Spec.Template.ObjectMeta, j.Spec.JobTemplate.Spec.Template.Spec})
		case "Pod":
			p := into[corev1.Pod](t, o)
			out = append(out, pod{o, p.ObjectMeta, p.Spec})
		}
	}
	return out
}

// Kubernetes' own evaluator, at its newest version.
func TestPodSecurityRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		pods := podsOf(t, objects)
		if len(pods) == 0 {
			t.Fatal("no pods")
		}
		for _, p := range pods {
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &p.meta, &p.spec))
			if !result.Allowed {
				t.Errorf("%s: %s", p.owner.id(), result.ForbiddenDetail())
			}
			for _, c := range append(p.spec.InitContainers, p.spec.Containers...) {
				if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
					t.Errorf("%s: container %s can write its root file system", p.owner.id(), c.Name)
				}
				if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
					t.Errorf("%s: container %s: resources %v, want requests and a memory limit (quotas)", p.owner.id(), c.Name, c.Resources)
				}
			}
		}
	})
}

// Host network is the one setting that gives up `restricted`, and nothing worse.
func TestHostNetworkIsBaselineOtherwise(t *testing.T) {
	objects := install{set: []string{"hostNetwork=true", "webhook.port=9443"}}.render(t)
	spec := into[appsv1.Deployment](t, one(t, objects, "Deployment", "")).Spec.Template.Spec
	if !spec.HostNetwork || spec.DNSPolicy != corev1.DNSClusterFirstWithHostNet {
		t.Errorf("hostNetwork %t, dnsPolicy %q", spec.HostNetwork, spec.DNSPolicy)
	}
}

// The injector's pods must never wait for an injector.
func TestOwnPodsDeclineInjection(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		for _, p := range podsOf(t, objects) {
			if got := p.meta.Labels["sidecar.istio.io/inject"]; got != "false" {
				t.Errorf("%s: label sidecar.istio.io/inject %q, want false", p.owner.id(), got)
			}
		}
	})
}

// Every pod goes to the nodes that the affinity names; what it says of other pods
// is about the servers.
func TestNodeAffinityReachesEveryPod(t *testing.T) {
	in := install{set: []string{
		"certs.bootstrap=job", "validate.enabled=true",
		"affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key=pool",
		"affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator=Exists",
		"affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=kubernetes.io/hostname",
	}}
	pods := podsOf(t, in.render(t))
	if len(pods) != 5 {
		t.Errorf("%d pods, want those of the Deployment, the Job, the CronJob, the validation and the test", len(pods))
	}
	for _, p := range pods {
		a := p.spec.Affinity
		if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
			t.Errorf("%s: affinity %v, want that of nodes", p.owner.id(), a)
		} else if server := p.owner.GetKind() == "Deployment"; server != (a.PodAntiAffinity != nil) {
			t.Errorf("%s: affinity to pods %v", p.owner.id(), a.PodAntiAffinity)
		}
	}
}

func TestDeployment(t *testing.T) {
	d := into[appsv1.Deployment](t, one(t, install{}.render(t), "Deployment", ""))
	if *d.Spec.Replicas != 2 {
		t.Errorf("replicas %d, want 2", *d.Spec.Replicas)
	}
	if u := d.Spec.Strategy.RollingUpdate; u.MaxUnavailable.IntValue() != 0 || u.MaxSurge.IntValue() != 1 {
		t.Errorf("rolling update %v, want a new pod before an old one goes", u)
	}
	for key := range d.Spec.Template.Annotations {
		if strings.Contains(key, "checksum") {
			t.Errorf("annotation %s: a changed configuration must not restart the pods", key)
		}
	}
	spec := d.Spec.Template.Spec
	var topologies []string
	for _, c := range spec.TopologySpreadConstraints {
		topologies = append(topologies, c.TopologyKey)
		if c.WhenUnsatisfiable != corev1.ScheduleAnyway || c.LabelSelector == nil {
			t.Errorf("spread over %s: %s with selector %v; a cluster of one node must do", c.TopologyKey, c.WhenUnsatisfiable, c.LabelSelector)
		}
	}
	if got := strings.Join(topologies, " "); got != "kubernetes.io/hostname topology.kubernetes.io/zone" {
		t.Errorf("spread over %s", got)
	}
	server := spec.Containers[0]
	if p := server.ReadinessProbe; p.HTTPGet.Path != "/readyz" || p.PeriodSeconds != 1 {
		t.Errorf("readiness probe %v, want /readyz each second", p)
	}
	for _, p := range []*corev1.Probe{server.StartupProbe, server.LivenessProbe} {
		if p.HTTPGet.Path != "/healthz" {
			t.Errorf("startup or liveness probe %v, want /healthz: a restart does not mend what readiness finds", p)
		}
	}
}

// A pod that is killed before it has drained loses admissions.
func TestGracePeriodCoversTheDrain(t *testing.T) {
	for _, set := range [][]string{nil, {"webhook.shutdownDelaySeconds=30", "webhook.shutdownTimeoutSeconds=60"}} {
		spec := into[appsv1.Deployment](t, one(t, install{set: set}.render(t), "Deployment", "")).Spec.Template.Spec
		flags := flagsOf(t, spec.Containers[0])
		drain := duration(t, flags["shutdownDelay"]) + duration(t, flags["shutdownTimeout"])
		if grace := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; grace <= drain {
			t.Errorf("%v: grace period %s, drain %s", set, grace, drain)
		}
	}
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// flagsOf returns the flags of a container by name.
func flagsOf(t testing.TB, c corev1.Container) map[string]string {
	t.Helper()
	flags := map[string]string{}
	for _, arg := range c.Args {
		name, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.HasPrefix(arg, "--") {
			continue
		}
		if !ok {
			t.Errorf("%s: argument %q has no value", c.Name, arg)
		}
		if _, twice := flags[name]; twice {
			t.Errorf("%s: flag --%s twice", c.Name, name)
		}
		flags[name] = value
	}
	return flags
}

// Every mounted volume is there, every volume is mounted.
func TestVolumesAndMounts(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		for _, p := range podsOf(t, objects) {
			mounted := map[string]bool{}
			for _, c := range append(p.spec.InitContainers, p.spec.Containers...) {
				for _, m := range c.VolumeMounts {
					mounted[m.Name] = true
				}
			}
			for _, v := range p.spec.Volumes {
				if !mounted[v.Name] {
					t.Errorf("%s: nobody mounts volume %s", p.owner.id(), v.Name)
				}
				delete(mounted, v.Name)
			}
			for name := range mounted {
				t.Errorf("%s: no volume %s", p.owner.id(), name)
			}
		}
	})
}

func TestAntiAffinity(t *testing.T) {
	in := install{
		set: []string{
			"podAntiAffinityLabelSelector[0].key=app", "podAntiAffinityLabelSelector[0].operator=In", `podAntiAffinityLabelSelector[0].values=one\,two`,
			"podAntiAffinityTermLabelSelector[0].key=team", "podAntiAffinityTermLabelSelector[0].operator=Exists", "podAntiAffinityTermLabelSelector[0].topologyKey=zone",
			"affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=own",
		},
	}
	anti := into[appsv1.Deployment](t, one(t, in.render(t), "Deployment", "")).Spec.Template.Spec.Affinity.PodAntiAffinity
	required, preferred := anti.RequiredDuringSchedulingIgnoredDuringExecution, anti.PreferredDuringSchedulingIgnoredDuringExecution
	if len(required) != 2 || required[0].TopologyKey != "own" || required[1].TopologyKey != "kubernetes.io/hostname" ||
		strings.Join(required[1].LabelSelector.MatchExpressions[0].Values, " ") != "one two" {
		t.Errorf("required: %v", required)
	}
	if len(preferred) != 1 || preferred[0].Weight != 100 || preferred[0].PodAffinityTerm.TopologyKey != "zone" {
		t.Errorf("preferred: %v", preferred)
	}
}
