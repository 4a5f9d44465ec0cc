// Package largest measures what the largest pods cost that an API server lets
// through, and how the cost grows with the number of what they hold.
package largest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/measure"
)

// MaxObject is the largest request body that an API server reads, in bytes
// (MaxRequestBodyBytes of k8s.io/apiserver), and so the largest pod.
const MaxObject = 3 << 20

// smallest is the number that the series begin with. Each next pod holds twice as
// much, up to the largest.
const smallest = 16

// Point is one pod of a series.
type Point struct {
	Number, Bytes int
	// Milliseconds of the fastest of some calls, and CPU, the milliseconds of processor
	// time without the garbage collector's, of the cheapest.
	Milliseconds, CPU float64
	// Answer is "injected", or the code of the refusal.
	Answer string
}

// Series is the cost of pods with more and more of one kind.
type Series struct {
	Kind, Dialect string
	Base          float64 // processor time of the same pod without any of them, in milliseconds
	Points        []Point
}

// Measure measures every kind in every dialect.
func Measure(setups []engine.Setup, most int) ([]Series, error) {
	var out []Series
	for _, setup := range setups {
		snapshot, err := setup.Snapshot()
		if err != nil {
			return nil, err
		}
		h := engine.Handler(snapshot)
		for _, k := range kinds() {
			s, err := series(h, k, most)
			if err != nil {
				return nil, fmt.Errorf("%s dialect, %s: %w", setup.Dialect, k.name, err)
			}
			s.Dialect = setup.Dialect
			out = append(out, s)
		}
	}
	return out, nil
}

// series measures pods of up to most bytes.
func series(h http.Handler, k kind, most int) (Series, error) {
	s := Series{Kind: k.name}
	empty := k.pod(0)
	base, err := cost(h, empty, 0)
	if err != nil {
		return s, err
	}
	s.Base = base.CPU
	for n := smallest; ; n *= 2 {
		text := k.pod(n)
		last := len(text) > most
		if last {
			// As many as there is room for.
			n = n * (most - len(empty)) / (len(text) - len(empty))
			text = k.pod(n)
		}
		p, err := cost(h, text, n)
		if err != nil {
			return s, err
		}
		s.Points = append(s.Points, p)
		if last {
			return s, nil
		}
	}
}

// calls is how often a pod is tried for its time, and again for its cost; the fastest
// and the cheapest count, because whatever else the machine does makes others slower.
const calls = 5

// enough is how long the calls for one pod may take together, for each of the two.
const enough = 2 * time.Second

func cost(h http.Handler, pod string, n int) (Point, error) {
	review := []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002",` +
		`"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"name":"large","namespace":"default","operation":"CREATE","object":` + pod + `}}`)
	p := Point{Number: n, Bytes: len(pod)}
	var err error
	p.Milliseconds = best(func() float64 {
		start := time.Now()
		answer := engine.Call(h, review)
		took := milliseconds(time.Since(start))
		if p.Answer, err = outcome(answer.Code, answer.Body.Bytes()); err != nil {
			err = fmt.Errorf("%d of them: %w", n, err)
		}
		return took
	})
	// The garbage collector begins at some size of the heap, and would make what grows
	// evenly look as if it bent there.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	p.CPU = best(func() float64 {
		cpu := measure.ProcessorTime()
		engine.Call(h, review)
		return milliseconds(measure.ProcessorTime() - cpu)
	})
	return p, err
}

// best returns the least of some calls' costs.
func best(call func() float64) float64 {
	least, began := math.Inf(1), time.Now()
	for i := 0; i < calls && (i == 0 || time.Since(began) < enough); i++ {
		runtime.GC() // nobody pays for the garbage of the one before
		least = min(least, call())
	}
	return least
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// outcome says in a word what was answered. A body that is no AdmissionReview, for
// its depth, gets an HTTP error.
func outcome(status int, body []byte) (string, error) {
	if status == http.StatusBadRequest {
		return "HTTP 400", nil
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("status %d: %.200s", status, body)
	}
	var review struct {
		Response struct {
			Allowed          bool
			Patch            []byte
			AuditAnnotations map[string]string
		}
	}
	if err := json.Unmarshal(body, &review); err != nil {
		return "", fmt.Errorf("the answer is no AdmissionReview: %w", err)
	}
	if r := review.Response; !r.Allowed || len(r.Patch) == 0 {
		return r.AuditAnnotations["decision"], nil
	}
	return Injected, nil
}

// Injected is the answer of a pod that gets its sidecar.
const Injected = "injected"
