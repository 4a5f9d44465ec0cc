package jsonbench

import "testing"

func BenchmarkDecode(b *testing.B) {
	each(b, func(b *testing.B, c Candidate, in Input) {
		for b.Loop() {
			if _, err := c.Decode(in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncodeAnswer(b *testing.B) {
	each(b, func(b *testing.B, c Candidate, in Input) {
		if c.Marshal == nil {
			b.Skip("has no encoder of its own")
		}
		for b.Loop() {
			if _, err := c.Marshal(in.Answer); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func each(b *testing.B, do func(*testing.B, Candidate, Input)) {
	inputs, err := Inputs()
	if err != nil {
		b.Fatal(err)
	}
	for _, in := range inputs {
		for _, c := range Candidates() {
			b.Run(in.Name+"/"+c.Name, func(b *testing.B) {
				b.ReportAllocs()
				do(b, c, in)
			})
		}
	}
}
