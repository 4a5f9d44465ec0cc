package jsonbench

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

func TestMergeAddsWhatIsNew(t *testing.T) {
	of := func(library, pod string) figures.JSONCost { return figures.JSONCost{Library: library, Pod: pod} }
	got := Merge(
		[]figures.JSONCost{of("a", "hello"), of("b", "hello"), of("a", "typical"), of("b", "typical")},
		[]figures.JSONCost{of("a", "hello"), of("c", "hello"), of("c", "typical")})
	want := []figures.JSONCost{of("a", "hello"), of("b", "hello"), of("c", "hello"), of("a", "typical"), of("b", "typical"), of("c", "typical")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestCompareMeasuresEveryCandidate(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	costs, err := Compare(1)
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 * len(Candidates()); len(costs) != want {
		t.Fatalf("%d costs, want %d", len(costs), want)
	}
	for _, c := range costs {
		if c.DecodeNanoseconds <= 0 || c.DecodeAllocs < 10 || c.DecodeRatio <= 0 {
			t.Errorf("not measured: %+v", c)
		}
	}
}
