package jsonbench

import (
	"fmt"
	"slices"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/measure"
)

// Compare measures all candidates on all inputs, by turns, in processor time,
// which other programs on the machine disturb least.
func Compare(rounds int) ([]figures.JSONCost, error) {
	inputs, err := Inputs()
	if err != nil {
		return nil, err
	}
	candidates := Candidates()
	var costs []figures.JSONCost
	for _, in := range inputs {
		var decode, encode []measure.Subject
		var failed error
		for _, c := range candidates {
			if _, err := c.Decode(in); err != nil {
				return nil, err
			}
			decode = append(decode, measure.Subject{Name: c.Name, Do: func(_, n int) {
				for range n {
					if _, err := c.Decode(in); err != nil {
						failed = err
					}
				}
			}})
			encode = append(encode, measure.Subject{Name: c.Name, Do: func(_, n int) {
				for range n {
					if c.Marshal == nil {
						return
					}
					if _, err := c.Marshal(in.Answer); err != nil {
						failed = err
					}
				}
			}})
		}
		plan := measure.Plan{Rounds: rounds, Turn: 15 * time.Millisecond}
		d, e := measure.Interleaved(plan, decode...), measure.Interleaved(plan, encode[1:]...)
		if failed != nil {
			return nil, fmt.Errorf("while measuring: %w", failed)
		}
		for i, c := range candidates {
			cost := figures.JSONCost{
				Library: c.Name, Pod: in.Name,
				DecodeNanoseconds: measure.Median(d[i].CPU), DecodeAllocs: d[i].Allocs,
				DecodeRatio: measure.Median(measure.Ratios(d[i].CPU, d[0].CPU)),
			}
			if c.Marshal != nil {
				cost.EncodeNanoseconds, cost.EncodeAllocs = measure.Median(e[i-1].CPU), e[i-1].Allocs
			}
			costs = append(costs, cost)
		}
	}
	return costs, nil
}

// Merge adds the costs of libraries that are not among the old ones, pod by pod:
// a build with another experiment has one more candidate, and all others again.
func Merge(old, more []figures.JSONCost) []figures.JSONCost {
	known := map[string]bool{}
	for _, c := range old {
		known[c.Library] = true
	}
	out := slices.Clone(old)
	for _, c := range more {
		if known[c.Library] {
			continue
		}
		// Behind the last of the same pod.
		at := len(out)
		for i := range out {
			if out[i].Pod == c.Pod {
				at = i + 1
			}
		}
		out = slices.Insert(out, at, c)
	}
	return out
}
