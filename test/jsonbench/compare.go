package jsonbench

import (
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/measure"
)

// Cost is what one candidate needs for one input.
type Cost struct {
	Library string `json:"library"`
	Pod     string `json:"pod"`
	// Decode is review and pod, Encode the answer; 0 where there is no encoder.
	DecodeNanoseconds float64 `json:"decodeNanoseconds"`
	DecodeAllocs      float64 `json:"decodeAllocs"`
	// DecodeRatio is to the reference, round by round.
	DecodeRatio       float64 `json:"decodeRatio"`
	EncodeNanoseconds float64 `json:"encodeNanoseconds,omitempty"`
	EncodeAllocs      float64 `json:"encodeAllocs,omitempty"`
}

// Compare measures all candidates on all inputs, by turns.
func Compare(rounds int) ([]Cost, error) {
	inputs, err := Inputs()
	if err != nil {
		return nil, err
	}
	candidates := Candidates()
	var costs []Cost
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
			cost := Cost{
				Library: c.Name, Pod: in.Name,
				DecodeNanoseconds: measure.Median(d[i].Wall), DecodeAllocs: d[i].Allocs,
				DecodeRatio: measure.Median(measure.Ratios(d[i].Wall, d[0].Wall)),
			}
			if c.Marshal != nil {
				cost.EncodeNanoseconds, cost.EncodeAllocs = measure.Median(e[i-1].Wall), e[i-1].Allocs
			}
			costs = append(costs, cost)
		}
	}
	return costs, nil
}
