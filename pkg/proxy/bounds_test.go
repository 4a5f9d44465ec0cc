package proxy

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestLocationOfAProxyWithoutVariables(t *testing.T) {
	pod := newPod(nil)
	Location{ClusterEnv: "c", NetworkEnv: "n"}.Apply(pod, false)
	want := []corev1.EnvVar{{Name: ClusterEnv, Value: "c"}, {Name: NetworkEnv, Value: "n"}}
	got := Find(&pod.Spec).Env
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheSecurePortIsRemovedWhereItIsTheProxys(t *testing.T) {
	for name, tc := range map[string]struct{ own, left string }{
		"announced": {"", ""},
		"the same":  {"15092", ""},
		"the pod's": {"1", "1"},
	} {
		pod := newPod(nil)
		AddEnv(&pod.Spec.Containers[1], SecurePortEnv, "15092")
		if tc.own != "" {
			pod.Annotations[SecurePortKey] = tc.own
		}
		AnnounceSecurePort(pod)
		RevertSecurePort(pod)
		if got := pod.Annotations[SecurePortKey]; got != tc.left {
			t.Errorf("%s: %q is left, want %q", name, got, tc.left)
		}
	}
}

// Prometheus sees one label of several annotations, and so must it be here every
// time.
func TestTheFirstOfSeveralUnusualSpellingsCounts(t *testing.T) {
	all := map[string]string{"prometheus_io_port": "3", "prometheus-io-port": "1", "prometheus.io_port": "2", "prometheus.io/path": "/"}
	for range 20 { // in the order of a map
		if got := lookup(all, portKey); got != "1" {
			t.Fatalf("got %q, want %q", got, "1")
		}
	}
	if got := lookup(all, scrapeKey); got != "" {
		t.Errorf("an annotation that is not there: %q", got)
	}
}

func TestSpellingsOfAName(t *testing.T) {
	for _, c := range "azAZ09" {
		if sameName("a.b", "a"+string(c)+"b") {
			t.Errorf("%q stands for a dot", c)
		}
	}
	for _, c := range "`{@[/:_-" {
		if !sameName("a.b", "a"+string(c)+"b") {
			t.Errorf("%q does not stand for a dot", c)
		}
	}
	if sameName("a.b", "a.bc") {
		t.Error("a longer name is the same")
	}
}

func TestARangeOfOneUser(t *testing.T) {
	for _, ids := range []string{"7-7", "7/1"} {
		if uid, _ := OpenShiftIDs(map[string]string{UIDRangeKey: ids}); uid != 7 {
			t.Errorf("%s: got %d, want 7", ids, uid)
		}
	}
}

func TestAUserWithoutAGroupIsPropagated(t *testing.T) {
	for name, args := range map[string][]string{"flag first": {"-u", "1337"}, "flag last": {"-p", "1", "-u", "1337"}} {
		pod := newPod(nil)
		pod.Spec.InitContainers = []corev1.Container{{Name: InitName, Args: args}}
		user := int64(9)
		PropagateUser(pod, &corev1.Container{SecurityContext: &corev1.SecurityContext{RunAsUser: &user}}, false)
		if got := pod.Spec.InitContainers[0].Args; got[len(got)-1] != "9" {
			t.Errorf("%s: arguments %q", name, got)
		}
	}
}

func TestAPodWithoutProbesGetsNoRecord(t *testing.T) {
	pod := newPod(nil)
	Probes{Rewrite: true, StatusPort: 15020}.Apply(pod, false)
	if got := env(t, pod, ProbersEnv); got != "(not set)" {
		t.Errorf("got %s", got)
	}
}
