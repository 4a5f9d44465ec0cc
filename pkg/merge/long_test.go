package merge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
)

// Long lists merge as short ones do: items that both have where they stand, new
// ones in front.
func TestLongLists(t *testing.T) {
	for _, n := range []int{3, 15, 16, 17, 18, 40} {
		base := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}}
		var overlay strings.Builder
		for i := range n {
			base.Spec.Containers[0].Env = append(base.Spec.Containers[0].Env, corev1.EnvVar{Name: fmt.Sprint("V", i), Value: "pod"})
			fmt.Fprintf(&overlay, "{name: V%d, value: overlay}, {name: N%d, value: new}, ", i, i)
		}
		o, err := merge.ParseOverlay(context.Background(), []byte("spec: {containers: [{name: a, env: ["+overlay.String()+"]}]}"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := strategic(base, o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.YAMLToJSON([]byte("spec: {containers: [{name: a, env: [" + overlay.String() + "]}]}"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := library(base, text)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got.Spec.Containers[0].Env, want.Spec.Containers[0].Env, func(a, b corev1.EnvVar) bool { return a == b }) {
			t.Errorf("%d variables: got %v\nwant %v", n, got.Spec.Containers[0].Env, want.Spec.Containers[0].Env)
		}
	}
}

// Items that $patch deletes need no place in an order.
func TestDeletedItemsNeedNoOrder(t *testing.T) {
	o, err := merge.ParseOverlay(context.Background(), []byte(`spec: {$setElementOrder/containers: [{name: c}, {name: b}], containers: [{name: a, $patch: delete}, {name: b, image: x}]}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := strategic(pod(t, `spec: {containers: [{name: a}, {name: b}, {name: c}]}`), o)
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Spec.Containers; len(c) != 2 || c[0].Name != "c" || c[1].Name != "b" || c[1].Image != "x" {
		t.Errorf("got %+v", c)
	}
}

// Whole numbers may be written with a point or an exponent, as far as every reader
// sees the same number.
func TestWholeNumbers(t *testing.T) {
	for text, want := range map[string]int64{
		"7": 7, "7.0": 7, "1e3": 1000, "-2.0": -2, "9007199254740992.0": 1 << 53, "9223372036854775807": 1<<63 - 1,
		"7.5": 0, "9.3e18": 0, "1e300": 0, "9223372036854775808": 0,
	} {
		o, err := merge.ParseOverlay(context.Background(), []byte(`{"spec":{"activeDeadlineSeconds":`+text+`}}`))
		if want == 0 {
			if err == nil || !strings.Contains(err.Error(), "spec.activeDeadlineSeconds: is ") || !strings.Contains(err.Error(), "must be a whole number") {
				t.Errorf("%s: got %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := strategic(new(corev1.Pod), o)
		if err != nil || *got.Spec.ActiveDeadlineSeconds != want {
			t.Errorf("%s: got %d, error %v", text, *got.Spec.ActiveDeadlineSeconds, err)
		}
	}
}

// Values are shown up to 60 characters.
func TestShownValues(t *testing.T) {
	for n, want := range map[int]string{57: `"` + strings.Repeat("x", 57) + `", must`, 58: `"` + strings.Repeat("x", 58) + `", must`, 59: `"` + strings.Repeat("x", 59) + `..., must`} {
		_, err := merge.ParseOverlay(context.Background(), []byte("spec: {containers: "+strings.Repeat("x", n)+"}"))
		if err == nil || !strings.Contains(err.Error(), "is "+want) {
			t.Errorf("%d characters: got %v, want %s", n, err, want)
		}
	}
}

// As many values as are allowed are read, one more is not.
func TestLimitOfValues(t *testing.T) {
	for _, form := range []string{`{"spec":{"x":[%s1]}}`, "spec:\n  x: [%s1]\n"} {
		const around = 4 // the object, spec, x and the last item
		for more, ok := range map[int]bool{0: true, 1: false} {
			_, err := merge.ParseOverlay(context.Background(), fmt.Appendf(nil, form, strings.Repeat("1,", 1<<18-around+more)))
			if (err == nil) != ok {
				t.Errorf("%.8s, %d more: got %v", form, more, err)
			}
		}
	}
}
