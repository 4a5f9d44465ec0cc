package memory

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

func TestFlat(t *testing.T) {
	of := func(mib ...float64) (s []figures.MemorySample) {
		for _, m := range mib {
			s = append(s, figures.MemorySample{MiB: m})
		}
		return s
	}
	for name, c := range map[string]struct {
		samples []figures.MemorySample
		flat    bool
	}{
		"filling caches first": {of(20, 30, 40, 41, 40, 41, 40, 41, 40, 41), true},
		"growing":              {of(20, 22, 24, 26, 28, 30, 32, 34, 36, 38), false},
		"shrinking":            {of(90, 60, 40, 40, 40, 39, 39, 38, 38, 38), true},
	} {
		if _, _, flat := Flat(c.samples); flat != c.flat {
			t.Errorf("%s: flat is %t", name, flat)
		}
	}
}

func TestVerdicts(t *testing.T) {
	var out bytes.Buffer
	err := Print(&out, figures.Memory{
		Idle: 30, Open: 65, OpenRequests: 1000, ReadyMilliseconds: 149, Failed: 1,
		Samples: []figures.MemorySample{{MiB: 40}, {MiB: 40}, {MiB: 40}, {MiB: 40}, {MiB: 40}},
	})
	if err != nil {
		t.Fatal(err)
	}
	line := out.String()[strings.LastIndex(out.String(), "bench-memory:"):]
	for _, want := range []string{"idle 30.0 MiB (<= 30 ok)", "1000 open 65.0 MiB (<= 64 MISSED)", "ready 149 ms (<= 150 ok)", "failed 1 (MISSED)"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
}
