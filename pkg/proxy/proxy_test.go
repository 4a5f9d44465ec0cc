package proxy

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
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
	}
	bare := CopyForWrite(&corev1.Pod{})
	AnnounceSecurePort(bare)
	if len(bare.Annotations) != 0 {
		t.Errorf("without a proxy: %v", bare.Annotations)
	}
}

func TestOrder(t *testing.T) {
	for _, tc := range []struct {
		containers, init         []corev1.Container
		first                    bool
		wantContainers, wantInit string
	}{
		{list("istio-proxy", "a", "b"), list("x", "istio-init", "istio-validation", "y", "enable-core-dump"), false, "a b istio-proxy", "istio-validation x y istio-init enable-core-dump"},
		{list("a", "b", "istio-proxy"), list("enable-core-dump", "x", "istio-init"), true, "istio-proxy a b", "x istio-init enable-core-dump"},
		{list("a"), list("x", "enable-core-dump", "istio-proxy", "istio-validation", "istio-init"), true, "a", "istio-init istio-validation istio-proxy enable-core-dump x"},
		{nil, nil, true, "", ""},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: tc.containers, InitContainers: tc.init}}
		Order(pod, tc.first)
		if got := joined(pod.Spec.Containers); got != tc.wantContainers {
			t.Errorf("containers %s, want %s", got, tc.wantContainers)
		}
		if got := joined(pod.Spec.InitContainers); got != tc.wantInit {
			t.Errorf("init containers %s, want %s", got, tc.wantInit)
		}
	}
}

func TestMoveProxyAndBack(t *testing.T) {
	spec := &corev1.PodSpec{Containers: list("a", Name, "b"), InitContainers: list("x")}
	shared := spec.Containers
	MoveToInit(spec)
	if joined(spec.Containers) != "a b" || joined(spec.InitContainers) != "x istio-proxy" || joined(shared) != "a istio-proxy b" {
		t.Errorf("moved: %s; %s; shared %s", joined(spec.Containers), joined(spec.InitContainers), joined(shared))
	}
	MoveToInit(spec)
	MoveBack(spec)
	if joined(spec.Containers) != "a b istio-proxy" || joined(spec.InitContainers) != "x" {
		t.Errorf("back: %s; %s", joined(spec.Containers), joined(spec.InitContainers))
	}
	always := corev1.ContainerRestartPolicyAlways
	native := &corev1.PodSpec{InitContainers: []corev1.Container{{Name: Name, RestartPolicy: &always}}}
	MoveBack(native)
	if joined(native.InitContainers) != "istio-proxy" {
		t.Error("a native sidecar of the user's has been moved")
	}
}

func TestNative(t *testing.T) {
	for value, want := range map[string][2]bool{"": {false, true}, "true": {true, true}, "false": {false, false}, "odd": {false, true}} {
		for i, setting := range []bool{false, true} {
			if got := Native(map[string]string{NativeSidecarKey: value}, setting); got != want[i] {
				t.Errorf("%q with %v: %v", value, setting, got)
			}
		}
	}
}

func i64(n int64) *int64 { return &n }

func TestProxyUser(t *testing.T) {
	build := func(init string) *corev1.Pod {
		pod := newPod(nil)
		pod.Spec.InitContainers = []corev1.Container{{Name: init, Args: []string{"-p", "1", "-u", "1337"}}}
		pod.Spec.Containers[1].SecurityContext = &corev1.SecurityContext{RunAsUser: i64(5)}
		return pod
	}
	user := func(u, g *int64) *corev1.Container {
		return &corev1.Container{Name: Name, SecurityContext: &corev1.SecurityContext{RunAsUser: u, RunAsGroup: g}}
	}
	for name, tc := range map[string]struct {
		init                           string
		declared                       *corev1.Container
		tproxy                         bool
		arg                            string
		initUser, initGroup, proxyUser *int64
	}{
		"none":                   {InitName, nil, false, "1337", nil, nil, i64(5)},
		"no security context":    {InitName, &corev1.Container{}, false, "1337", nil, nil, i64(5)},
		"neither user nor group": {InitName, user(nil, nil), false, "1337", nil, nil, i64(5)},
		"init":                   {InitName, user(i64(9), i64(8)), false, "9", nil, nil, i64(5)},
		"root":                   {InitName, user(i64(0), nil), false, "1337", nil, nil, i64(5)},
		"validation":             {ValidationName, user(i64(9), i64(8)), false, "9", i64(9), i64(8), i64(5)},
		"validation, group":      {ValidationName, user(nil, i64(8)), false, "1337", nil, i64(8), i64(5)},
		"tproxy":                 {ValidationName, user(i64(9), i64(8)), true, "9", nil, nil, i64(0)},
		"another init":           {"other", user(i64(9), nil), false, "1337", nil, nil, i64(5)},
	} {
		t.Run(name, func(t *testing.T) {
			pod := build(tc.init)
			PropagateUser(pod, tc.declared, tc.tproxy)
			c := pod.Spec.InitContainers[0]
			sc := c.SecurityContext
			if sc == nil {
				sc = &corev1.SecurityContext{}
			}
			if c.Args[3] != tc.arg || !reflect.DeepEqual(sc.RunAsUser, tc.initUser) || !reflect.DeepEqual(sc.RunAsGroup, tc.initGroup) {
				t.Errorf("args %v, security context %+v", c.Args, sc)
			}
			if got := pod.Spec.Containers[1].SecurityContext.RunAsUser; *got != *tc.proxyUser {
				t.Errorf("the proxy runs as %d", *got)
			}
		})
	}
	last := &corev1.Container{Args: []string{"-u"}}
	setArgument(last, "-u", "1")
	if len(last.Args) != 1 {
		t.Errorf("a flag without a value: %v", last.Args)
	}
}

func TestProxyIDs(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations map[string]string
		uid, gid    int64
	}{
		"nothing":     {nil, 1337, 1337},
		"both":        {map[string]string{UIDRangeKey: "1000620000/10000", SupplementalGroupsKey: "2000/10,9/9"}, 1000629999, 2009},
		"from to":     {map[string]string{UIDRangeKey: "10-20", SupplementalGroupsKey: "30-40"}, 20, 40},
		"users only":  {map[string]string{UIDRangeKey: "10/5"}, 14, 14},
		"odd":         {map[string]string{UIDRangeKey: "a/b", SupplementalGroupsKey: ""}, 1337, 1337},
		"empty block": {map[string]string{UIDRangeKey: "5/0", SupplementalGroupsKey: "9-3"}, 1337, 1337},
	} {
		if uid, gid := OpenShiftIDs(tc.annotations); uid != tc.uid || gid != tc.gid {
			t.Errorf("%s: %d and %d", name, uid, gid)
		}
	}
}

func TestForgetAssignedUser(t *testing.T) {
	build := func(app, proxy *int64) *corev1.Pod {
		pod := newPod(nil)
		pod.Spec.Containers = append(list("first"), pod.Spec.Containers...)
		if app != nil {
			pod.Spec.Containers[1].SecurityContext = &corev1.SecurityContext{RunAsUser: app}
		}
		pod.Spec.Containers[2].SecurityContext = &corev1.SecurityContext{RunAsUser: proxy, RunAsGroup: i64(7)}
		pod.Spec.InitContainers = []corev1.Container{{Name: InitName, SecurityContext: &corev1.SecurityContext{RunAsUser: i64(42)}}}
		return pod
	}
	for name, tc := range map[string]struct {
		app, proxy *int64
		forgotten  bool
	}{
		"same":          {i64(5), i64(5), true},
		"another":       {i64(5), i64(6), false},
		"not given":     {i64(5), nil, false},
		"of istio-init": {nil, i64(42), false},
	} {
		pod := build(tc.app, tc.proxy)
		shared := pod.Spec.Containers[2].SecurityContext
		DropAssignedUser(pod)
		sc := pod.Spec.Containers[2].SecurityContext
		if (sc.RunAsGroup == nil) != tc.forgotten || tc.forgotten && sc.RunAsUser != nil {
			t.Errorf("%s: %+v", name, sc)
		}
		if shared.RunAsGroup == nil {
			t.Errorf("%s: the shared security context has been changed", name)
		}
	}
}

func TestKeepOrder(t *testing.T) {
	e := func(names ...string) []corev1.EnvVar {
		var out []corev1.EnvVar
		for _, n := range names {
			out = append(out, corev1.EnvVar{Name: n})
		}
		return out
	}
	spec := func(env []corev1.EnvVar, volumes ...string) *corev1.PodSpec {
		s := &corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Env: env}}}
		for _, v := range volumes {
			s.Volumes = append(s.Volumes, corev1.Volume{Name: v})
		}
		return s
	}
	for _, tc := range []struct{ before, after, want string }{
		{"x y z", "z new y x", "x new y z"},
		{"x y", "x new y", "x new y"},
		{"", "b a", "b a"},
		{"x y", "y x y", "y x y"},
		{"x x y", "y x", "y x"},
		{"gone x y", "y x", "x y"},
	} {
		after := spec(e(strings.Fields(tc.after)...), strings.Fields("b a")...)
		shared := after.Containers[0].Env
		KeepOrder(spec(e(strings.Fields(tc.before)...), "a", "b"), after)
		var got, untouched []string
		for _, v := range after.Containers[0].Env {
			got = append(got, v.Name)
		}
		for _, v := range shared {
			untouched = append(untouched, v.Name)
		}
		if strings.Join(got, " ") != tc.want || after.Volumes[0].Name != "a" || strings.Join(untouched, " ") != tc.after {
			t.Errorf("%s, then %s: got %v, volumes %v, list given %v", tc.before, tc.after, got, after.Volumes, untouched)
		}
	}
	other := spec(e("b", "a"))
	KeepOrder(&corev1.PodSpec{}, other)
	if other.Containers[0].Env[0].Name != "b" {
		t.Error("a container that was not there before")
	}
}

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
