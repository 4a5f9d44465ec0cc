package decide

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

func rules(t testing.TB, s Settings) *Rules {
	t.Helper()
	r, err := NewRules(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sel(k, v string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{k: v}}
}

func selectors() Settings {
	return Settings{
		Never:  []metav1.LabelSelector{{}, sel("never", "yes")},
		Always: []metav1.LabelSelector{{}, {MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "always", Operator: metav1.LabelSelectorOpExists}}}},
	}
}

func m(kv ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		out[kv[i]] = kv[i+1]
	}
	return out
}

// The rows are in the order of the truth table: each row's pod also meets the
// condition of a later one where that is possible.
func TestPod(t *testing.T) {
	never, always := m("never", "yes", "always", "x"), m("always", "x")
	type row struct {
		name             string
		classic, enabled bool
		in               Input
		code             Code
		outcome          Outcome
		found            string
	}
	for _, tc := range []row{
		{"host network", false, true, Input{HostNetwork: true, Labels: m(InjectKey, "true")}, HostNetwork, Skip, "never injected"},
		{"kube-system", false, true, Input{Namespace: "kube-system", Labels: m(InjectKey, "true")}, SystemNamespace, Skip, "kube-system is a system namespace"},
		{"kube-public", false, true, Input{Namespace: "kube-public"}, SystemNamespace, Skip, "kube-public"},
		{"kube-node-lease", false, true, Input{Namespace: "kube-node-lease"}, SystemNamespace, Skip, "kube-node-lease"},
		{"local-path-storage", false, true, Input{Namespace: "local-path-storage"}, SystemNamespace, Skip, "local-path-storage"},
		{"label true", false, false, Input{Labels: m(InjectKey, "true", "never", "yes")}, LabelTrue, Inject, `"true"`},
		{"label false", false, true, Input{Labels: m(InjectKey, "false", "always", "x"), Annotations: m(InjectKey, "true")}, LabelFalse, Skip, `"false"`},
		{"annotation true", false, false, Input{Annotations: m(InjectKey, "true")}, AnnotationTrue, Inject, `"true"`},
		{"annotation false", false, true, Input{Annotations: m(InjectKey, "false")}, AnnotationFalse, Skip, `"false"`},
		{"an empty label hides the annotation", false, false, Input{Labels: m(InjectKey, ""), Annotations: m(InjectKey, "true")}, PolicyDisabled, Skip, "empty: decides nothing"},
		{"another value decides nothing", false, false, Input{Labels: m(InjectKey, "TRUE")}, PolicyDisabled, Skip, `neither "true" nor "false"`},
		{"never before always", false, true, Input{Labels: never}, NeverSelector, Skip, "never=yes matches"},
		{"always", false, false, Input{Labels: always}, AlwaysSelector, Inject, "always matches"},
		{"policy enabled", false, true, Input{Labels: m("a", "b")}, PolicyEnabled, Inject, "enabled"},
		{"policy disabled", false, false, Input{}, PolicyDisabled, Skip, "disabled"},

		{"classic: host network", true, true, Input{HostNetwork: true, Annotations: m(InjectKey, "true")}, HostNetwork, Skip, "never"},
		{"classic: kube-system", true, true, Input{Namespace: "kube-system"}, SystemNamespace, Skip, "kube-system"},
		{"classic: kube-node-lease is no system namespace", true, true, Input{Namespace: "kube-node-lease"}, PolicyEnabled, Inject, "not a system namespace"},
		{"classic: labels do not count", true, false, Input{Labels: m(InjectKey, "true")}, PolicyDisabled, Skip, "disabled"},
		{"classic: y", true, false, Input{Annotations: m(InjectKey, "Y")}, AnnotationTrue, Inject, "asks"},
		{"classic: yes", true, false, Input{Annotations: m(InjectKey, "yes")}, AnnotationTrue, Inject, "asks"},
		{"classic: true", true, false, Input{Annotations: m(InjectKey, "True")}, AnnotationTrue, Inject, "asks"},
		{"classic: on", true, false, Input{Annotations: m(InjectKey, "ON")}, AnnotationTrue, Inject, "asks"},
		{"classic: empty", true, true, Input{Annotations: m(InjectKey, "")}, PolicyEnabled, Inject, "empty"},
		{"classic: anything else is a no", true, true, Input{Annotations: m(InjectKey, "maybe")}, AnnotationFalse, Skip, "declines"},
		{"classic: selectors", true, false, Input{Labels: always}, AlwaysSelector, Inject, "always matches"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := selectors()
			s.Classic, s.Enabled = tc.classic, tc.enabled
			r := rules(t, s)
			d := Pod(r, tc.in)
			if d.Code != tc.code || d.Outcome != tc.outcome || d.Message == "" || d.Trace != nil {
				t.Errorf("got %+v, want %s", d, tc.code)
			}
			tc.in.Trace = true
			traced := Pod(r, tc.in)
			if traced.Code != d.Code || !strings.Contains(fmt.Sprint(traced.Trace), tc.found) {
				t.Errorf("trace %v does not say %q", traced.Trace, tc.found)
			}
		})
	}
}

func TestTraceNamesEveryCheck(t *testing.T) {
	s := selectors()
	s.Enabled = true
	d := Pod(rules(t, s), Input{Namespace: "shop", Trace: true})
	var checks []string
	for _, step := range d.Trace {
		checks = append(checks, step.Check)
	}
	want := "spec.hostNetwork, namespace, label " + InjectKey + ", annotation " + InjectKey + ", neverInjectSelector[1], alwaysInjectSelector[1], policy"
	if got := strings.Join(checks, ", "); got != want {
		t.Errorf("checks %s\nwant   %s", got, want)
	}
	d = Pod(rules(t, Settings{}), Input{Trace: true})
	if got := fmt.Sprint(d.Trace); !strings.Contains(got, "neverInjectSelector none") || !strings.Contains(got, "(none given)") {
		t.Errorf("trace without selectors: %s", got)
	}
}

func TestSelectorsThatAreNotValid(t *testing.T) {
	bad := metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Odd"}}}
	_, err := NewRules(Settings{Never: []metav1.LabelSelector{{}, bad}, Always: []metav1.LabelSelector{bad}})
	if err == nil || !strings.Contains(err.Error(), "neverInjectSelector[1]: ") || !strings.Contains(err.Error(), "alwaysInjectSelector[0]: ") {
		t.Errorf("got %v", err)
	}
}

func TestDecidingAllocatesNothing(t *testing.T) {
	r := rules(t, selectors())
	for name, in := range map[string]Input{
		"policy":   {Namespace: "shop", Labels: m("a", "b"), Annotations: m("c", "d")},
		"selector": {Namespace: "shop", Labels: m("never", "yes")},
		"label":    {Namespace: "shop", Labels: m(InjectKey, "true")},
		"odd":      {Namespace: "shop", Labels: m(InjectKey, "odd")},
		"system":   {Namespace: "kube-system"},
	} {
		if n := testing.AllocsPerRun(100, func() { Pod(r, in) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		name    string
		classic bool
		in      Input
		want    []string
	}{
		{"nothing to say", false, Input{}, nil},
		{"injected", false, Input{Labels: m(InjectKey, "true")}, nil},
		{"declines", false, Input{Labels: m(InjectKey, "false")}, nil},
		{"host network without a wish", false, Input{HostNetwork: true}, nil},
		{"host network", false, Input{HostNetwork: true, Labels: m(InjectKey, "true")}, []string{"label sidecar.istio.io/inject asks for a sidecar, but none is injected: the pod uses hostNetwork"}},
		{"system", false, Input{Namespace: "kube-system", Annotations: m(InjectKey, "true")}, []string{"annotation sidecar.istio.io/inject asks for a sidecar, but none is injected: kube-system is spared"}},
		{"unknown", false, Input{Labels: m(InjectKey, "enabled")}, []string{`label sidecar.istio.io/inject="enabled" has no effect, must be "true" or "false"`}},
		{"classic", true, Input{HostNetwork: true, Annotations: m(InjectKey, "yes")}, []string{"annotation sidecar.istio.io/inject asks for a sidecar, but none is injected: the pod uses hostNetwork"}},
		{"classic knows no label", true, Input{Labels: m(InjectKey, "enabled")}, nil},
		{"classic takes any value", true, Input{Annotations: m(InjectKey, "maybe")}, nil},
		{"empty", false, Input{Labels: m(InjectKey, "")}, nil},
		{"declines on the host network", false, Input{HostNetwork: true, Labels: m(InjectKey, "false")}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rules(t, Settings{Classic: tc.classic, Enabled: true})
			got := Warnings(r, tc.in, Pod(r, tc.in))
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWarningsAreLimited(t *testing.T) {
	long := strings.Repeat("é", 100)
	got := Limit([]string{long, "a", "b", "c"})
	if len(got) != maxWarnings || len(got[0]) > maxWarningLength || !utf8.ValidString(got[0]) || !strings.HasSuffix(got[0], "...") {
		t.Errorf("got %q", got)
	}
	r := rules(t, Settings{})
	in := Input{Labels: m(InjectKey, strings.Repeat("x", 500))}
	for _, w := range Warnings(r, in, Pod(r, in)) {
		if len(w) > maxWarningLength {
			t.Errorf("%d bytes: %s", len(w), w)
		}
	}
}

func TestLimitKeepsWhatFits(t *testing.T) {
	exact := strings.Repeat("x", maxWarningLength)
	got := Limit([]string{exact, exact + "y", strings.Repeat("é", maxWarningLength/2) + "z"})
	want := []string{exact, exact[:maxWarningLength-3] + "...", strings.Repeat("é", maxWarningLength/2-2) + "..."}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := cut.Line("\x80\x80\x80\x80\x80", 4); got != "..." {
		t.Errorf("text without the start of a character: %q", got)
	}
}

// Each check reports what it found, and the one that decides is the last.
func TestTraceDetails(t *testing.T) {
	const label, annotation = "label " + InjectKey, "annotation " + InjectKey
	s := selectors()
	for _, tc := range []struct {
		name    string
		classic bool
		in      Input
		want    []Step
	}{
		{"host network", false, Input{HostNetwork: true}, []Step{{"spec.hostNetwork", "true: never injected"}}},
		{"system", false, Input{Namespace: "kube-public"}, []Step{{"namespace", "kube-public is a system namespace: never injected"}}},
		{"label true", false, Input{Labels: m(InjectKey, "true")}, []Step{{label, `"true": the pod asks for injection`}}},
		{"label false", false, Input{Labels: m(InjectKey, "false")}, []Step{{label, `"false": the pod declines`}}},
		{"annotation true", false, Input{Annotations: m(InjectKey, "true")}, []Step{{label, "not set"}, {annotation, `"true": the pod asks for injection`}}},
		{"annotation false", false, Input{Annotations: m(InjectKey, "false")}, []Step{{label, "not set"}, {annotation, `"false": the pod declines`}}},
		{"classic asks", true, Input{Annotations: m(InjectKey, "Yes")}, []Step{{annotation, `"Yes": the pod asks for injection`}}},
		{"classic declines", true, Input{Annotations: m(InjectKey, "0")}, []Step{{annotation, `"0": the pod declines`}}},
		{"never", false, Input{Labels: m("never", "yes")}, []Step{{label, "not set"}, {annotation, "not set"}, {"neverInjectSelector[1]", "never=yes matches"}}},
	} {
		s.Classic, tc.in.Trace = tc.classic, true
		trace := Pod(rules(t, s), tc.in).Trace
		if n := len(trace) - len(tc.want); n < 0 || fmt.Sprint(trace[n:]) != fmt.Sprint(tc.want) {
			t.Errorf("%s: got %q, want at its end %q", tc.name, trace, tc.want)
		}
	}
}

func TestMessagesNameWhatThePodSays(t *testing.T) {
	r := rules(t, Settings{})
	for _, kind := range []string{"label", "annotation"} {
		for value, verb := range map[string]string{"true": "asks for", "false": "declines"} {
			in := Input{Annotations: m(InjectKey, value)}
			if kind == "label" {
				in = Input{Labels: m(InjectKey, value), Annotations: m(InjectKey, value)}
			}
			if got, want := Pod(r, in).Message, "the pod "+verb+" injection by its "+kind+" "+InjectKey; got != want {
				t.Errorf("%s %s: %q, want %q", kind, value, got, want)
			}
		}
	}
}

// Whatever a pod says, there is one answer, with a sentence, and the trace
// changes nothing.
func FuzzPod(f *testing.F) {
	f.Add(false, true, "shop", false, InjectKey, "true", "", "")
	f.Add(true, false, "kube-system", true, "a", "b", InjectKey, "yes")
	f.Add(false, false, "", false, "never", "yes", InjectKey, "maybe")
	f.Fuzz(func(t *testing.T, classic, enabled bool, namespace string, host bool, lk, lv, ak, av string) {
		s := selectors()
		s.Classic, s.Enabled = classic, enabled
		r := rules(t, s)
		in := Input{Namespace: namespace, HostNetwork: host, Labels: m(lk, lv), Annotations: m(ak, av)}
		d := Pod(r, in)
		in.Trace = true
		traced := Pod(r, in)
		if d.Code == "" || d.Message == "" || d.Outcome == Refuse || traced.Code != d.Code || len(traced.Trace) == 0 {
			t.Fatalf("%+v and %+v", d, traced)
		}
		for _, w := range Warnings(r, in, d) {
			if len(w) > maxWarningLength {
				t.Fatalf("a warning of %d bytes", len(w))
			}
		}
	})
}
