package merge_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
)

// However many names an object has, each has one value: the last one that was
// given, as a whole.
func TestTheLastOfEqualNamesCountsAmongMany(t *testing.T) {
	for _, others := range []int{0, 22, 23, 24, 100} {
		var b strings.Builder
		b.WriteString("spec:\n")
		for i := range others {
			fmt.Fprintf(&b, "  x%d: 0\n", i)
		}
		b.WriteString("  securityContext: {runAsUser: 1}\n  securityContext: {runAsGroup: 2}\n")
		o, err := merge.ParseOverlay(context.Background(), []byte(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		// A spec that is there is merged entry by entry.
		out, err := strategic(&corev1.Pod{Spec: corev1.PodSpec{Hostname: "h"}}, o)
		if err != nil {
			t.Fatal(err)
		}
		if sc := out.Spec.SecurityContext; sc == nil || sc.RunAsUser != nil || sc.RunAsGroup == nil || *sc.RunAsGroup != 2 {
			t.Errorf("beside %d other names: %+v", others, sc)
		}
	}
}

// The deepest overlay within the limit is read and the next one is not, in JSON and in YAML, which are read by different code.
func TestLimitOfNesting(t *testing.T) {
	nested := func(levels int, open, end string) string {
		return strings.Repeat(open, levels) + strings.Repeat(end, levels)
	}
	for name, tc := range map[string]struct{ within, beyond, says string }{
		// The object, spec and x are levels 0 to 2, the values of the last list 64.
		"nested lists":   {nested(63, "[", "]"), nested(64, "[", "]"), "nested more than 64 levels deep"},
		"nested objects": {nested(62, `{"a":`, "}"), nested(64, `{"a":`, "}"), "nested more than 64 levels deep"},
	} {
		t.Run(name, func(t *testing.T) {
			fill := strings.NewReplacer(":}", ":0}")
			for _, form := range []string{`{"spec":{"x":%s}}`, "spec:\n  x: %s\n"} {
				if _, err := merge.ParseOverlay(context.Background(), fmt.Appendf(nil, form, fill.Replace(tc.within))); err != nil {
					t.Errorf("%.10s within: %v", form, err)
				}
				if _, err := merge.ParseOverlay(context.Background(), fmt.Appendf(nil, form, fill.Replace(tc.beyond))); err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%.10s beyond: got %v, want an error that says %q", form, err, tc.says)
				}
			}
		})
	}
}

func TestALargestOverlayIsRead(t *testing.T) {
	for size, want := range map[int]bool{1 << 20: true, 1<<20 + 1: false} {
		text := "spec: {}\n"
		text += "#" + strings.Repeat("x", size-len(text)-1)
		if _, err := merge.ParseOverlay(context.Background(), []byte(text)); (err == nil) != want {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// An error shows a value whole up to 60 characters.
func TestValuesInErrors(t *testing.T) {
	for length, want := range map[int]string{58: strings.Repeat("v", 58) + `"`, 59: strings.Repeat("v", 59) + "..."} {
		o, err := merge.ParseOverlay(context.Background(), fmt.Appendf(nil, "spec: {$patch: %s}", strings.Repeat("v", length)))
		if err == nil {
			_, err = strategic(new(corev1.Pod), o)
		}
		if err == nil || !strings.Contains(err.Error(), `"`+want) {
			t.Errorf("%d characters: got %v, want %s", length, err, want)
		}
	}
}

// A type that reads its own JSON gets the whole of a value that has parts.
func TestAValueOfParts(t *testing.T) {
	const fields = `{"f:a":{"f:b":[1,"two"],"f:c":{}},"f:d":[]}`
	o, err := merge.ParseOverlay(context.Background(), []byte(`{"metadata":{"managedFields":[{"manager":"m","fieldsV1":`+fields+`}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	out, err := strategic(new(corev1.Pod), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.ManagedFields) != 1 || out.ManagedFields[0].FieldsV1 == nil || out.ManagedFields[0].FieldsV1.GetRawString() != fields {
		t.Errorf("got %+v", out.ManagedFields)
	}
}
