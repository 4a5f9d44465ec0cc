// Package request measures what one request costs in the process, against the
// floor.
package request

import (
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/measure"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

// Turn is how long one subject is measured at a time.
const Turn = 20 * time.Millisecond

// targets are the greatest ratios to the floor, of the current dialect.
func targets(pod string) (cold, warm float64) {
	switch pod {
	case "hello":
		return 12, 4
	case "typical":
		return 3, 2
	case "env2000":
		return 1.8, 1.5
	}
	return 0, 0
}

// Measure measures each configuration with each pod.
func Measure(setups []engine.Setup, shapes []pods.Shape, rounds int) ([]figures.Request, error) {
	var out []figures.Request
	for _, setup := range setups {
		for _, shape := range shapes {
			r, err := one(setup, shape, rounds)
			if err != nil {
				return nil, fmt.Errorf("%s dialect: %w", setup.Dialect, err)
			}
			if setup.Dialect == "current" {
				r.Cold.Target, r.Warm.Target = targets(shape.Name)
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// Sizes measures one pod with more and more environment variables.
func Sizes(setup engine.Setup, rounds int) ([]figures.Request, error) {
	var shapes []pods.Shape
	for _, n := range []int{0, 20, 50, 100, 250, 500, 1000, 2000} {
		shapes = append(shapes, pods.Shape{Name: fmt.Sprintf("%d variables", 2*n), Pod: pods.WithVariables(n)})
	}
	return Measure([]engine.Setup{setup}, shapes, rounds)
}

func one(setup engine.Setup, shape pods.Shape, rounds int) (figures.Request, error) {
	r := figures.Request{Pod: shape.Name, Dialect: setup.Dialect, Origin: setup.Origin}
	reviews, err := pods.NewReviews(shape.Pod)
	if err != nil {
		return r, err
	}
	r.Bytes = len(reviews.Review(0, 0))
	floor, err := engine.Subject("floor", engine.Floor(), shape, engine.Cold, nil)
	if err != nil {
		return r, err
	}
	subjects := []measure.Subject{floor}
	for _, mode := range []engine.Mode{engine.Cold, engine.Warm} {
		// A snapshot for each: what one mode leaves behind must not help the other.
		snapshot, err := setup.Snapshot()
		if err != nil {
			return r, err
		}
		s, err := engine.Subject(string(mode), engine.Handler(snapshot), shape, mode, engine.Injected)
		if err != nil {
			return r, err
		}
		subjects = append(subjects, s)
	}
	series := measure.Interleaved(measure.Plan{Rounds: rounds, Turn: Turn}, subjects...)
	r.Floor, r.Cold, r.Warm = cost(series[0], series[0]), cost(series[1], series[0]), cost(series[2], series[0])
	return r, nil
}

func cost(s, floor measure.Series) figures.Cost {
	ratios := measure.Ratios(s.CPU, floor.CPU)
	median := measure.Median(ratios)
	return figures.Cost{
		Microseconds: measure.Median(s.Wall) / 1000,
		CPU:          measure.Median(s.CPU) / 1000,
		Allocs:       s.Allocs, Bytes: s.Bytes,
		Ratio:  median,
		Wall:   measure.Median(measure.Ratios(s.Wall, floor.Wall)),
		Spread: (measure.Quantile(ratios, 0.75) - measure.Quantile(ratios, 0.25)) / median,
	}
}
