package proxy

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestNewLocation(t *testing.T) {
	network := func(s string) map[string]string { return map[string]string{NetworkLabel: s} }
	for _, tc := range []struct {
		path, cluster, network string
		labels                 map[string]string
		want                   Location
	}{
		{path: "", want: Location{}},
		{path: "/inject", want: Location{}},
		{path: "/inject/", want: Location{}},
		{path: "/other/cluster/a", want: Location{}},
		{path: "/inject/cluster/c1/net/n1", want: Location{ClusterEnv: "c1", NetworkEnv: "n1"}},
		{path: "/inject/cluster/c1/", want: Location{ClusterEnv: "c1"}},
		{path: "/inject/net/a--slash--b/foo/x", want: Location{NetworkEnv: "a/b", "FOO": "x"}},
		{path: "/inject/cluster/c1/trailing", want: Location{ClusterEnv: "c1"}},
		{path: "/inject//x", want: Location{}},
		{path: "/inject/:ENV:cluster=c1:ENV:A=b", want: Location{ClusterEnv: "c1", "A": "b"}},
		{path: "/inject/:ENV:net=a=b:ENV:=x:ENV:novalue:ENV:B=", want: Location{NetworkEnv: "a=b", "B": ""}},

		{cluster: "c", network: "n", want: Location{ClusterEnv: "c", NetworkEnv: "n"}},
		{path: "/inject/cluster/p/net/p", cluster: "c", network: "n", want: Location{ClusterEnv: "p", NetworkEnv: "p"}},
		{path: "/inject/net//cluster/p", network: "n", want: Location{ClusterEnv: "p", NetworkEnv: "n"}},
		{path: "/inject/net/p", network: "n", labels: network("l"), want: Location{NetworkEnv: "l"}},
		{path: "/inject/net/p", network: "n", labels: network(""), want: Location{NetworkEnv: "p"}},
		{network: "n", labels: network(""), want: Location{}},
		{network: "n", labels: map[string]string{"a": "b"}, want: Location{NetworkEnv: "n"}},
	} {
		if got := NewLocation(tc.path, tc.cluster, tc.network, tc.labels); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v: got %v", tc, got)
		}
	}
}

func TestLocation(t *testing.T) {
	pod := newPod(nil)
	shared := []corev1.EnvVar{{Name: ClusterEnv, Value: "old"}, {Name: "A", Value: "a"}}
	pod.Spec.Containers[1].Env = shared
	want := Location{NetworkEnv: "n1", ClusterEnv: "c1"}
	want.Apply(pod, false)
	order := func() string {
		var s []string
		for _, e := range pod.Spec.Containers[1].Env {
			s = append(s, e.Name+"="+e.Value)
		}
		return strings.Join(s, " ")
	}
	if got := order(); got != "A=a ISTIO_META_CLUSTER_ID=c1 ISTIO_META_NETWORK=n1" {
		t.Errorf("got %s", got)
	}
	if pod.Labels[NetworkLabel] != "n1" || shared[0].Value != "old" {
		t.Errorf("labels %v, shared list %v", pod.Labels, shared)
	}
	pod.Spec.Containers[1].Env = append(pod.Spec.Containers[1].Env, corev1.EnvVar{Name: "Z", Value: "z"})
	want.Apply(pod, true)
	if got := order(); got != "A=a ISTIO_META_CLUSTER_ID=c1 ISTIO_META_NETWORK=n1 Z=z" {
		t.Errorf("again: got %s", got)
	}
	(Location{NetworkEnv: "other"}).Revert(pod)
	Location{}.Revert(pod)
	if pod.Labels[NetworkLabel] != "n1" {
		t.Error("the label of another network has been removed")
	}
	want.Revert(pod)
	if len(pod.Labels) != 0 {
		t.Errorf("labels left: %v", pod.Labels)
	}
	none := newPod(nil)
	Location{}.Apply(none, false)
	bare := CopyForWrite(&corev1.Pod{})
	want.Apply(bare, false)
	if len(none.Labels) != 0 || bare.Labels[NetworkLabel] != "n1" {
		t.Errorf("labels %v and %v", none.Labels, bare.Labels)
	}
}
