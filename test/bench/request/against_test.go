package request

import (
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

func runsOf(commit string, allocs float64, ratios ...float64) (runs []figures.Requests) {
	for _, r := range ratios {
		c := figures.Cost{Ratio: r, Allocs: allocs}
		runs = append(runs, figures.Requests{
			Machine:  figures.Machine{Commit: commit},
			Requests: []figures.Request{{Pod: "hello", Dialect: "current", Cold: c, Warm: c}, {Pod: "hello", Dialect: "classic", Cold: figures.Cost{Ratio: 99}}},
		})
	}
	return runs
}

func TestAgainst(t *testing.T) {
	for name, tc := range map[string]struct {
		base, now []figures.Requests
		ok        bool
		want      string
	}{
		"within the bound": {runsOf("a", 9, 2, 9, 2), runsOf("b", 9, 2.1, 2.2, 1), true, "bench-against: b, ratios 2, the worst 1.05 times that of a (1.10), more allocations 0: ok\n"},
		"dearer":           {runsOf("a", 9, 2), runsOf("b", 9, 2.3), false, "the worst 1.15 times that of a (1.10), more allocations 0: MISSED\n"},
		"more allocations": {runsOf("a", 9, 2), runsOf("b", 10, 2), false, "more allocations 2: MISSED\n"},
	} {
		var out strings.Builder
		ok, err := PrintAgainst(&out, tc.base, tc.now)
		if err != nil || ok != tc.ok || !strings.HasSuffix(out.String(), tc.want) {
			t.Errorf("%s: %v, error %v\n%s\nwant %s", name, ok, err, out.String(), tc.want)
		}
	}
	if _, err := PrintAgainst(&strings.Builder{}, []figures.Requests{{}}, runsOf("b", 9, 2)); err == nil || !strings.Contains(err.Error(), "different requests") {
		t.Errorf("got %v", err)
	}
}
