// Package figures holds what the benchmarks measured, as the documents and their
// plots are made from. Nothing in it measures anything.
package figures

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Machine is where figures were measured.
type Machine struct {
	Processor  string `json:"processor"`
	Processors int    `json:"processors"` // that the process may use
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	// Load is the machine's load average of the last minute at the start: what
	// else ran on it. Negative where the system does not tell.
	Load float64   `json:"load"`
	Time time.Time `json:"time"`
	// Commit is the revision of the sources, with -dirty when they had changes.
	Commit string `json:"commit,omitempty"`
}

// ThisMachine describes the machine the program runs on.
func ThisMachine(now time.Time, commit string) Machine {
	m := Machine{
		Processor: "unknown", Processors: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Load: -1, Time: now.UTC().Truncate(time.Second), Commit: commit,
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.Processor = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &m.Load)
	}
	return m
}

// Cost is what one request costs.
type Cost struct {
	Microseconds float64 `json:"microseconds"` // median of the rounds, wall clock
	CPU          float64 `json:"cpuMicroseconds"`
	Allocs       float64 `json:"allocs"`
	Bytes        float64 `json:"bytes"`
	// Ratio is to the floor, in processor time: the median over the rounds of the
	// quotient of the two times of one round. It counts what the garbage collector
	// does on other processors, and not what other programs do. Wall is the same
	// of the wall clock. Spread is the distance between the quartiles of the ratio,
	// as a share of it.
	Ratio  float64 `json:"ratio"`
	Wall   float64 `json:"ratioWall"`
	Spread float64 `json:"spread"`
	// Target is the greatest ratio wanted; 0 where none is set.
	Target float64 `json:"target,omitempty"`
}

// Met reports whether the target is met; true where none is set.
func (c Cost) Met() bool { return c.Target == 0 || c.Ratio <= c.Target }

// Request is the cost of requests about one pod in one dialect.
type Request struct {
	Pod     string `json:"pod"`
	Bytes   int    `json:"reviewBytes"` // length of the AdmissionReview
	Dialect string `json:"dialect"`
	Origin  string `json:"configuration"`
	Floor   Cost   `json:"floor"`
	Cold    Cost   `json:"cold"`
	Warm    Cost   `json:"warm"`
}

// Requests is a run of the request benchmark.
type Requests struct {
	Machine  Machine   `json:"machine"`
	Rounds   int       `json:"rounds"`
	Requests []Request `json:"requests"`
	// Sizes is the same pod with more and more environment variables, in the
	// current dialect.
	Sizes []Request `json:"sizes"`
}

// Memory is a run of the memory benchmark, of the real process.
type Memory struct {
	Machine Machine `json:"machine"`
	Origin  string  `json:"configuration"`
	Pod     string  `json:"pod"`
	// ReadyMilliseconds from the start of the process to the first 'ready'; the
	// median of Starts starts.
	ReadyMilliseconds float64 `json:"readyMilliseconds"`
	Starts            int     `json:"starts"`
	// Resident memory in MiB: of a server that nobody calls, and the most while
	// OpenRequests are open at once. Medians of Rounds, each with a server that was
	// just started.
	Idle         float64 `json:"idleMiB"`
	Open         float64 `json:"openMiB"`
	OpenRequests int     `json:"openRequests"`
	Rounds       int     `json:"rounds"`
	// The same of the simplest webhook that Go's HTTP server makes, by turns with
	// ours.
	SimplestIdle float64 `json:"simplestIdleMiB"`
	SimplestOpen float64 `json:"simplestOpenMiB"`
	// IdleParts is what Idle consists of, in the last round.
	IdleParts []MemoryPart `json:"idleParts"`
	// OpenFailed is how many of OpenRequests were not answered with 200, in all
	// rounds.
	OpenFailed int `json:"openFailed"`
	// Requests that were sent after that, and samples taken on the way.
	Requests int            `json:"requests"`
	Failed   int            `json:"failed"`
	Samples  []MemorySample `json:"samples"`
	// PerSecond is how many requests were answered in a second, and CPU how much
	// of the server's processor time one took.
	PerSecond       float64 `json:"perSecond"`
	CPUMicroseconds float64 `json:"cpuMicroseconds"`
}

// MemoryPart is a part of the resident memory.
type MemoryPart struct {
	What string  `json:"what"`
	MiB  float64 `json:"mib"`
}

// GrowthTarget is the greatest GrowthRatio wanted.
const GrowthTarget = 1.3

// Growth is how much more is resident with OpenRequests open than idle, in MiB.
func (m Memory) Growth() float64 { return m.Open - m.Idle }

// SimplestGrowth is the same of the simplest webhook.
func (m Memory) SimplestGrowth() float64 { return m.SimplestOpen - m.SimplestIdle }

// GrowthRatio is the growth as a multiple of the simplest webhook's.
func (m Memory) GrowthRatio() float64 { return m.Growth() / m.SimplestGrowth() }

// MemorySample is the resident memory after so many requests.
type MemorySample struct {
	Requests int     `json:"requests"`
	MiB      float64 `json:"mib"`
}

// Creation is pod creation through a real API server in one way of mutation.
type Creation struct {
	Way     string `json:"way"`
	Clients int    `json:"clients"`
	Created int    `json:"created"`
	Failed  int    `json:"failed"`
	// Milliseconds.
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	// PerSecond is pods created in a second.
	PerSecond float64 `json:"perSecond"`
	// P50Ratio and P99Ratio are to the constant patch: the median over rounds, and
	// of all pods.
	P50Ratio float64 `json:"p50Ratio"`
	P99Ratio float64 `json:"p99Ratio"`
	// P99Low and P99High bound P99Ratio with a confidence of 95 %.
	P99Low  float64 `json:"p99Low"`
	P99High float64 `json:"p99High"`
	// RoundP50 is the median of each round.
	RoundP50 []float64 `json:"roundP50"`
}

// Cluster is a run of the benchmark through an API server.
type Cluster struct {
	Machine   Machine    `json:"machine"`
	Server    string     `json:"server"` // the API server's version
	Pod       string     `json:"pod"`
	Rounds    int        `json:"rounds"`
	Creations []Creation `json:"creations"`
	// Restart is the creation of pods while one of two replicas restarts.
	Restart *Creation `json:"restart,omitempty"`
	// Restarts is how often one did.
	Restarts int `json:"restarts,omitempty"`
}

// JSONCost is what one JSON library needs for one pod.
type JSONCost struct {
	Library           string  `json:"library"`
	Pod               string  `json:"pod"`
	DecodeNanoseconds float64 `json:"decodeNanoseconds"`
	DecodeAllocs      float64 `json:"decodeAllocs"`
	DecodeRatio       float64 `json:"decodeRatio"`
	EncodeNanoseconds float64 `json:"encodeNanoseconds,omitempty"`
	EncodeAllocs      float64 `json:"encodeAllocs,omitempty"`
}

// Write saves figures as JSON.
func Write(path string, figures any) error {
	data, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return fmt.Errorf("figures for %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// Read loads figures that Write saved.
func Read(path string, figures any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, figures); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
