package proxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// scrapeTarget is one endpoint of the application's metrics.
type scrapeTarget struct {
	Port string `json:"port"`
	Path string `json:"path"`
}

const defaultPath = "/metrics"

// parseTargets reads a comma separated list of port[:path]. Blanks and empty items
// are ignored.
func parseTargets(list string, statusPort int32) ([]scrapeTarget, error) {
	var out []scrapeTarget
	for _, item := range strings.Split(list, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		t, err := parseTarget(item, int(statusPort))
		if err != nil {
			return nil, fmt.Errorf("annotation %s: invalid value %s: %w", ScrapeTargetsKey, cut.Quote(list, 80), err)
		}
		out = append(out, t)
	}
	return out, nil
}

func parseTarget(item string, statusPort int) (scrapeTarget, error) {
	port, path, _ := strings.Cut(item, ":")
	n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
	if err != nil || n == 0 {
		return scrapeTarget{}, fmt.Errorf("%s is not a port, targets must be port[:path] with a port from 1 to 65535, comma separated", cut.Quote(port, 40))
	}
	if int(n) == statusPort {
		return scrapeTarget{}, fmt.Errorf("port %d is the agent's own status port, name the application's", n)
	}
	for _, p := range dataPlanePorts() {
		if int(n) == p.port {
			return scrapeTarget{}, fmt.Errorf("port %d belongs to the data plane (%s), name the application's", n, p.use)
		}
	}
	if path = strings.TrimSpace(path); path == "" {
		path = defaultPath
	}
	// The agent puts the path right behind the port.
	if path[0] != '/' {
		path = "/" + path
	}
	return scrapeTarget{Port: strconv.FormatUint(n, 10), Path: path}, nil
}

func formatTargets(targets []scrapeTarget) string {
	out := make([]string, len(targets))
	for i, t := range targets {
		out[i] = t.Port + ":" + t.Path
	}
	return strings.Join(out, ",")
}

// dataPlanePorts are the ports that the proxy itself listens on.
func dataPlanePorts() []struct {
	port int
	use  string
} {
	return []struct {
		port int
		use  string
	}{
		{15000, "Envoy admin"},
		{15001, "outbound traffic"},
		{15004, "debug"},
		{15006, "inbound traffic"},
		{15008, "HBONE"},
		{15020, "agent"},
		{15021, "health"},
		{15053, "DNS"},
		{15090, "Envoy metrics"},
	}
}
