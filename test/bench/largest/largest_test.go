package largest

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
)

func TestKindsAreJSON(t *testing.T) {
	for _, k := range kinds() {
		for _, n := range []int{0, 1, 17} {
			if text := k.pod(n); !json.Valid([]byte(text)) {
				t.Errorf("%s, %d of them: not JSON: %s", k.name, n, text)
			}
		}
	}
}

// Small ones of every kind are injected and measured.
func TestMeasure(t *testing.T) {
	setups, err := engine.Setups("../../..", "")
	if err != nil {
		t.Fatal(err)
	}
	all, err := Measure(setups[:1], 1500)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		first, last := s.Points[0], s.Points[len(s.Points)-1]
		if s.Base < 0 || first.Milliseconds <= 0 || last.Bytes > 1600 || last.Bytes < 1300 {
			t.Errorf("%s: not measured: %+v", s.Kind, s)
		}
		if first.Answer != Injected && s.Kind != "digits of a quantity" && s.Kind != "templates named" {
			t.Errorf("%s: %d of them are answered %s, want %s", s.Kind, first.Number, first.Answer, Injected)
		}
	}
}

func TestVerdicts(t *testing.T) {
	made := func(cost func(n float64) float64) []Series {
		s := Series{Kind: "things", Dialect: "current", Base: 1}
		for n := 16; n < 5000; n *= 2 {
			s.Points = append(s.Points, Point{Number: n, Milliseconds: 1 + cost(float64(n)), CPU: 1 + cost(float64(n)), Answer: Injected})
		}
		return []Series{s}
	}
	for name, tc := range map[string]struct {
		all      []Series
		ok       bool
		want     string
		exponent float64
	}{
		"linear":    {made(func(n float64) float64 { return n / 100 }), true, "linear, the greatest exponent 1.00 (things, current dialect)", 1},
		"quadratic": {made(func(n float64) float64 { return n * n / 1e5 }), false, "NOT LINEAR", 2},
		"slow":      {made(func(n float64) float64 { return n }), false, "slowest 4097 ms of 1000: MISSED", 1},
	} {
		var out strings.Builder
		ok, err := Print(&out, tc.all)
		if err != nil || ok != tc.ok || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %v, %v\n%s", name, ok, err, out.String())
		}
		if e := tc.all[0].exponent(tc.all[0].Points); math.Abs(e.Value-tc.exponent) > 0.05 {
			t.Errorf("%s: exponent %s", name, e)
		}
	}
	refused := made(func(n float64) float64 { return n / 100 })
	for i := range refused[0].Points[4:] {
		refused[0].Points[4+i].Answer = "limit-exceeded"
	}
	if a, r := refused[0].split(); len(a) != 4 || len(r) != len(refused[0].Points)-4 {
		t.Errorf("%d injected, %d refused", len(a), len(r))
	}
}
