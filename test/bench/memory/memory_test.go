package memory

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
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
		Idle: 30, Open: 121, SimplestIdle: 6, SimplestOpen: 76, OpenRequests: 1000, ReadyMilliseconds: 149, Failed: 1,
		IdleParts: []figures.MemoryPart{{What: "stacks", MiB: 1.25}},
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
	for _, want := range []string{
		"   1.2 stacks\n",
		"bench-memory: growth ours 91.0 MiB, simplest 70.0 MiB, ratio 1.30 (1.30 ok)\n",
		"bench-memory: idle 30.0 MiB, 41.0 -> 46.0 MiB over 0 requests (MISSED), ready 149 ms (<= 150 ok), failed 1 (MISSED)\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, &out)
		}
	}
	out.Reset()
	missed := figures.Memory{Idle: 30, Open: 121.5, SimplestIdle: 6, SimplestOpen: 75, Samples: []figures.MemorySample{{MiB: 1}}}
	if err := Print(&out, missed); err != nil {
		t.Fatal(err)
	}
	if want := "growth ours 91.5 MiB, simplest 69.0 MiB, ratio 1.33 (1.30 MISSED)\n"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in %s", want, &out)
	}
}

func TestComposition(t *testing.T) {
	const page = `# HELP go_memstats_heap_alloc_bytes Number of heap bytes allocated
go_memstats_heap_alloc_bytes 6.291456e+06
go_memstats_heap_inuse_bytes 8.388608e+06
go_memstats_heap_idle_bytes 4.194304e+06
go_memstats_heap_released_bytes 3.145728e+06
go_memstats_stack_inuse_bytes 1.048576e+06
go_goroutines 12
`
	runtime, err := runtimeMetrics(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	got := parts(process.Pages{Program: 20, Data: 2, Anonymous: 15, Other: 0.5}, runtime)
	want := []float64{20, 2, 6, 3, 1, 5, 0.5}
	sum := 0.0
	for i, part := range got {
		if part.MiB != want[i] {
			t.Errorf("%s: %v MiB, want %v", part.What, part.MiB, want[i])
		}
		sum += part.MiB
	}
	if sum != 37.5 {
		t.Errorf("the parts are %v MiB together, want all pages, 37.5", sum)
	}
	for _, bad := range []string{"", strings.Replace(page, "1.048576e+06", "much", 1), strings.Replace(page, "stack", "queue", 1)} {
		if _, err := runtimeMetrics(strings.NewReader(bad)); err == nil {
			t.Errorf("read without an error: %q", bad)
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
