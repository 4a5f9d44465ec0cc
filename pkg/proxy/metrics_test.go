package proxy

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
)

func TestMetrics(t *testing.T) {
	on := Metrics{Merge: true, StatusPort: 15020}
	merged := map[string]string{"prometheus.io/port": "15020", "prometheus.io/path": "/stats/prometheus", "prometheus.io/scrape": "true"}
	with := func(more ...string) map[string]string {
		out := map[string]string{}
		for k, v := range merged {
			out[k] = v
		}
		for i := 0; i+1 < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	for name, tc := range map[string]struct {
		m        Metrics
		in, want map[string]string
		env      string
	}{
		"nothing said":        {on, nil, merged, "(not set)"},
		"port":                {on, map[string]string{"prometheus.io/port": "80"}, merged, `{"scrape":"","path":"","port":"80"}`},
		"all, other spelling": {on, map[string]string{"prometheus_io/port": "80", "prometheus-io-path": "/m", "prometheus.io.scrape": "true", "a": "b"}, with("a", "b"), `{"scrape":"true","path":"/m","port":"80"}`},
		"two spellings":       {on, map[string]string{"prometheus.io/port": "80", "prometheus_io_port": "81"}, merged, `{"scrape":"","path":"","port":"80"}`},
		"targets":             {on, map[string]string{ScrapeTargetsKey: "8080, 9100:/x"}, merged, `{"scrape":"","path":"/metrics","port":"8080","targets":[{"port":"8080","path":"/metrics"},{"port":"9100","path":"/x"}]}`},
		"targets and port":    {on, map[string]string{ScrapeTargetsKey: "8080", "prometheus.io/port": "7", "prometheus.io/path": "/own"}, merged, `{"scrape":"","path":"/metrics","port":"8080","targets":[{"port":"8080","path":"/metrics"}]}`},
		"targets, loosely":    {on, map[string]string{ScrapeTargetsKey: " 8080 : m , ,9100:,"}, merged, `{"scrape":"","path":"/m","port":"8080","targets":[{"port":"8080","path":"/m"},{"port":"9100","path":"/metrics"}]}`},
		"only commas":         {on, map[string]string{ScrapeTargetsKey: ", ,"}, merged, "(not set)"},
		"no targets":          {on, map[string]string{ScrapeTargetsKey: ""}, merged, "(not set)"},
		"scrape false":        {on, map[string]string{"prometheus.io/scrape": "false"}, map[string]string{"prometheus.io/scrape": "false"}, "(not set)"},
		"already the agent":   {on, map[string]string{"prometheus.io/port": "15020"}, map[string]string{"prometheus.io/port": "15020"}, "(not set)"},
		"mesh says no":        {Metrics{StatusPort: 15020}, map[string]string{"prometheus.io/port": "80"}, map[string]string{"prometheus.io/port": "80"}, "(not set)"},
		"pod says no":         {on, map[string]string{annotations.MergeMetrics: "false"}, map[string]string{annotations.MergeMetrics: "false"}, "(not set)"},
		"pod says yes":        {Metrics{StatusPort: 15020}, map[string]string{annotations.MergeMetrics: "true"}, with(annotations.MergeMetrics, "true"), "(not set)"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := newPod(tc.in)
			if err := tc.m.Apply(pod); err != nil {
				t.Fatal(err)
			}
			if tc.want == nil {
				tc.want = map[string]string{}
			}
			if !reflect.DeepEqual(pod.Annotations, tc.want) || env(t, pod, ScrapeEnv) != tc.env {
				t.Errorf("annotations %v, env %s", pod.Annotations, env(t, pod, ScrapeEnv))
			}
		})
	}
}

func TestMetricsRefusesTargets(t *testing.T) {
	for value, want := range map[string]string{
		"a":          `"a" is not a port`,
		":/metrics":  `"" is not a port`,
		"0":          "is not a port",
		"70000":      "is not a port",
		"15999":      "port 15999 is the agent's own status port",
		"15020:/x":   "port 15020 belongs to the data plane (agent)",
		"8080,15090": "port 15090 belongs to the data plane (Envoy metrics)",
		"015000":     "port 15000 belongs to the data plane (Envoy admin)",
	} {
		err := Metrics{Merge: true, StatusPort: 15999}.Apply(newPod(map[string]string{ScrapeTargetsKey: value}))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ScrapeTargetsKey) {
			t.Errorf("%s: got %v, want %s", value, err, want)
		}
	}
}

func TestMetricsRevert(t *testing.T) {
	on := Metrics{Merge: true, StatusPort: 15020}
	for name, in := range map[string]map[string]string{
		"nothing": {},
		"all":     {"prometheus.io/port": "80", "prometheus.io/path": "/m", "prometheus.io/scrape": "true"},
		"targets": {ScrapeTargetsKey: "8080:/metrics,9100:/x", "prometheus.io/scrape": "true"},
	} {
		pod := newPod(in)
		before := map[string]string{}
		for k, v := range in {
			before[k] = v
		}
		if err := on.Apply(pod); err != nil {
			t.Fatal(err)
		}
		on.Revert(pod)
		if !reflect.DeepEqual(pod.Annotations, before) {
			t.Errorf("%s: got %v", name, pod.Annotations)
		}
	}
	own := newPod(map[string]string{"prometheus.io/port": "15020", "prometheus.io/path": "/own"})
	on.Revert(own)
	if len(own.Annotations) != 2 {
		t.Errorf("annotations that are the user's: %v", own.Annotations)
	}
	gone := newPod(map[string]string{"prometheus.io/port": "15020", "prometheus.io/path": mergedPath})
	gone.Spec.Containers = nil
	on.Revert(gone)
	if len(gone.Annotations) != 0 {
		t.Errorf("annotations without a proxy: %v", gone.Annotations)
	}
}

func TestSecurePort(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations map[string]string
		value, want string
	}{
		"set":              {nil, "15092", "15092"},
		"zero":             {nil, "0", ""},
		"empty":            {nil, "", ""},
		"another spelling": {map[string]string{"prometheus-istio-io/secure-port": "1"}, "15092", ""},
	} {
		pod := newPod(tc.annotations)
		AddEnv(&pod.Spec.Containers[1], SecurePortEnv, tc.value)
		AnnounceSecurePort(pod)
		if got := pod.Annotations[SecurePortKey]; got != tc.want {
			t.Errorf("%s: got %q", name, got)
		}
		RevertSecurePort(pod)
		if len(pod.Annotations) != len(tc.annotations) {
			t.Errorf("%s: reverted to %v", name, pod.Annotations)
		}
	}
	own := newPod(map[string]string{SecurePortKey: "1"})
	AddEnv(&own.Spec.Containers[1], SecurePortEnv, "15092")
	RevertSecurePort(own)
	if own.Annotations[SecurePortKey] != "1" {
		t.Error("the user's own port has been removed")
	}
	bare := CopyForWrite(&corev1.Pod{})
	AnnounceSecurePort(bare)
	RevertSecurePort(bare)
	if len(bare.Annotations) != 0 {
		t.Errorf("without a proxy: %v", bare.Annotations)
	}
}
