package request

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

func TestMeasureGivesFiguresForBothDialects(t *testing.T) {
	setups, err := engine.Setups("../../..", "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Measure(setups, []pods.Shape{{Name: "hello", Pod: pods.Hello()}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Dialect != "current" || got[1].Dialect != "classic" {
		t.Fatalf("measured %v", got)
	}
	for _, r := range got {
		for name, c := range map[string]figures.Cost{"floor": r.Floor, "cold": r.Cold, "warm": r.Warm} {
			if c.Microseconds <= 0 || c.CPU <= 0 || c.Allocs < 20 || c.Bytes < 1000 || c.Ratio <= 0 {
				t.Errorf("%s, %s: not measured: %+v", r.Dialect, name, c)
			}
		}
		if r.Floor.Ratio != 1 {
			t.Errorf("%s: the floor is %v times itself", r.Dialect, r.Floor.Ratio)
		}
		if hasTarget := r.Cold.Target > 0 && r.Warm.Target > 0; hasTarget != (r.Dialect == "current") {
			t.Errorf("%s: targets %v and %v", r.Dialect, r.Cold.Target, r.Warm.Target)
		}
	}
}

func TestVerdicts(t *testing.T) {
	var out bytes.Buffer
	err := Print(&out, figures.Requests{Requests: []figures.Request{{
		Pod: "hello", Dialect: "current",
		Cold: figures.Cost{Ratio: 12, Target: 12}, Warm: figures.Cost{Ratio: 4.1, Target: 4},
	}, {Pod: "hello", Dialect: "classic"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12 ok", "4 MISSED", "bench: request targets met 1 of 2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

func TestPowerTellsLinearFromQuadratic(t *testing.T) {
	of := func(cost func(kb float64) float64) (sizes []figures.Request) {
		for _, kb := range []int{4, 8, 16, 32, 64, 128} {
			sizes = append(sizes, figures.Request{Bytes: kb * 1000, Cold: figures.Cost{CPU: cost(float64(kb))}})
		}
		return sizes
	}
	if got := Power(of(func(kb float64) float64 { return 500 + 20*kb })); math.Abs(got-1) > 0.01 {
		t.Errorf("linear cost has power %.2f", got)
	}
	if got := Power(of(func(kb float64) float64 { return 500 + 20*kb + 2*kb*kb })); got < maxPower {
		t.Errorf("quadratic cost has power %.2f and would pass", got)
	}
}
