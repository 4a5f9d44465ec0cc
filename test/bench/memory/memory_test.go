package memory

import (
	"bytes"
	"strings"
	"testing"
	"time"

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
		if flat := Halves(c.samples).Flat(); flat != c.flat {
			t.Errorf("%s: flat is %t", name, flat)
		}
	}
}

func TestVerdicts(t *testing.T) {
	var out bytes.Buffer
	err := Print(&out, figures.Memory{
		Idle: 30, Open: 65, OpenRequests: 1000, ReadyMilliseconds: 149, Failed: 1,
		Samples: []figures.MemorySample{
			{Requests: 1, MiB: 90}, {Requests: 2, MiB: 40}, {Requests: 3, MiB: 41}, {Requests: 4, MiB: 40}, {Requests: 5, MiB: 46},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "peak after 3 requests 41.0 MiB, after 5 requests 46.0 MiB: not flat\n"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in %s", want, &out)
	}
	line := out.String()[strings.LastIndex(out.String(), "bench-memory:"):]
	for _, want := range []string{"idle 30.0 MiB (<= 30 ok)", "1000 open 65.0 MiB (<= 64 MISSED)", "ready 149 ms (<= 150 ok)", "failed 1 (MISSED)"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
}

func TestTimeOfARun(t *testing.T) {
	p := Plan{Most: time.Minute}
	if p.over(59*time.Second) || !p.over(time.Minute) || (Plan{}).over(time.Hour) {
		t.Error("the time is over when it is not, or is not when it is")
	}
	for first, want := range map[time.Duration]time.Duration{2 * time.Second: 40 * time.Second, 4 * time.Second: time.Minute} {
		if got := p.expected(first); got != want {
			t.Errorf("all parts are expected to take %s when the first took %s, want %s", got, first, want)
		}
	}
}
