package memory

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// composition is what the resident memory of the injector consists of: the
// kernel's view of its pages, and of those without a file the Go runtime's, which
// the injector shows as metrics.
func composition(ctx context.Context, s *process.Server) ([]figures.MemoryPart, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+s.Monitoring+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	runtime, err := runtimeMetrics(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL, err)
	}
	pages, err := s.Usage().Pages()
	if err != nil {
		return nil, err
	}
	return parts(pages, runtime), nil
}

// Names of the Go runtime's figures, in bytes.
const (
	heapObjects  = "go_memstats_heap_alloc_bytes"    // live, and garbage that was not collected yet
	heapInUse    = "go_memstats_heap_inuse_bytes"    // spans with objects in them
	heapIdle     = "go_memstats_heap_idle_bytes"     // spans without
	heapReleased = "go_memstats_heap_released_bytes" // of those, given back to the system
	stacks       = "go_memstats_stack_inuse_bytes"
)

// runtimeMetrics reads them from a page in the format of Prometheus.
func runtimeMetrics(page io.Reader) (map[string]float64, error) {
	found := map[string]float64{}
	lines := bufio.NewScanner(page)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		switch name {
		case heapObjects, heapInUse, heapIdle, heapReleased, stacks:
		default:
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("not a metric: %q", lines.Text())
		}
		found[name] = n / (1 << 20)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(found) != 5 {
		return nil, fmt.Errorf("only %d of 5 figures of the Go runtime found", len(found))
	}
	return found, nil
}

// parts adds up to all resident pages. What the runtime counts may not all be
// resident, so the last part of its own is what the others leave.
func parts(p process.Pages, runtime map[string]float64) []figures.MemoryPart {
	objects, stack := runtime[heapObjects], runtime[stacks]
	free := runtime[heapInUse] - objects + runtime[heapIdle] - runtime[heapReleased]
	return []figures.MemoryPart{
		{What: "program file, code and constants", MiB: p.Program},
		{What: "program's variables", MiB: p.Data},
		{What: "Go heap, objects", MiB: objects},
		{What: "Go heap, free", MiB: free},
		{What: "stacks", MiB: stack},
		{What: "Go runtime's own", MiB: p.Anonymous - objects - free - stack},
		{What: "other files and the kernel's pages", MiB: p.Other},
	}
}
