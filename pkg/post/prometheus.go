package post

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The annotations and variables of metrics.
const (
	// MergeMetricsKey switches the merging of metrics for one pod.
	MergeMetricsKey = "prometheus.istio.io/merge-metrics"
	// ScrapeTargetsKey lists the application's endpoints, port[:path].
	ScrapeTargetsKey = "prometheus.istio.io/scrape-targets"
	// SecurePortKey tells where merged metrics are served over mutual TLS.
	SecurePortKey = "prometheus.istio.io/secure-port"
	// ScrapeEnv tells the proxy which endpoints the application has.
	ScrapeEnv = "ISTIO_PROMETHEUS_ANNOTATIONS"
	// SecurePortEnv is the port of the proxy for SecurePortKey.
	SecurePortEnv = "ENVOY_SECURE_MERGED_METRICS_PORT"

	scrapeKey = "prometheus.io/scrape"
	portKey   = "prometheus.io/port"
	pathKey   = "prometheus.io/path"

	mergedPath  = "/stats/prometheus"
	defaultPath = "/metrics"
)

// Scrape is the value of ScrapeEnv: the application's own metrics.
type Scrape struct {
	Scrape  string         `json:"scrape"`
	Path    string         `json:"path"`
	Port    string         `json:"port"`
	Targets []ScrapeTarget `json:"targets,omitempty"`
}

// ScrapeTarget is one endpoint.
type ScrapeTarget struct {
	Port string `json:"port"`
	Path string `json:"path"`
}

func (s *Scrape) empty() bool {
	return s.Scrape == "" && s.Path == "" && s.Port == "" && len(s.Targets) == 0
}

// Metrics are the settings of the step.
type Metrics struct {
	// Merge is the mesh's setting; the pod's annotation goes before it.
	Merge bool
	// StatusPort is where the proxy's agent serves the merged metrics.
	StatusPort int32
}

// Prometheus points the pod's scrape annotations at the proxy's agent, and
// tells the agent where they pointed before. The error is about a target that
// cannot be scraped.
func Prometheus(pod *corev1.Pod, m Metrics) error {
	scrape := lookup(pod.Annotations, scrapeKey)
	if wanted, err := strconv.ParseBool(scrape); err == nil && !wanted || !merges(pod.Annotations, m.Merge) {
		return nil
	}
	status := strconv.Itoa(int(m.StatusPort))
	if lookup(pod.Annotations, portKey) == status {
		return nil
	}
	was := Scrape{Scrape: scrape, Path: lookup(pod.Annotations, pathKey), Port: lookup(pod.Annotations, portKey)}
	var err error
	if was.Targets, err = parseTargets(pod.Annotations[ScrapeTargetsKey], m.StatusPort); err != nil {
		return err
	}
	if len(was.Targets) > 0 {
		// Agents that do not know targets scrape the first one.
		if was.Port == "" {
			was.Port = was.Targets[0].Port
		}
		if was.Path == "" {
			was.Path = was.Targets[0].Path
		}
	}
	if c := FindAnywhere(&pod.Spec, Proxy); c != nil && !was.empty() {
		text, err := json.Marshal(was)
		if err != nil {
			return err
		}
		addEnv(c, ScrapeEnv, string(text))
	}
	ClearScrape(pod.Annotations)
	pod.Annotations[portKey] = status
	pod.Annotations[pathKey] = mergedPath
	pod.Annotations[scrapeKey] = "true"
	return nil
}

func merges(annotations map[string]string, setting bool) bool {
	if v, err := strconv.ParseBool(annotations[MergeMetricsKey]); err == nil {
		return v
	}
	return setting
}

// PointsAtAgent reports whether the pod's scrape annotations are the ones that
// Prometheus has set.
func PointsAtAgent(annotations map[string]string, statusPort int32) bool {
	return lookup(annotations, portKey) == strconv.Itoa(int(statusPort))
}

// ClearScrape removes the scrape annotations in every spelling.
func ClearScrape(annotations map[string]string) {
	for k := range annotations {
		if sameName(k, scrapeKey) || sameName(k, portKey) || sameName(k, pathKey) || k == ScrapeTargetsKey {
			delete(annotations, k)
		}
	}
}

// SecurePort tells scrapers about the port for mutual TLS, if the proxy has one.
func SecurePort(pod *corev1.Pod) {
	port, ok := SecurePortOf(FindAnywhere(&pod.Spec, Proxy))
	if !ok {
		return
	}
	for k := range pod.Annotations {
		if sameName(k, SecurePortKey) {
			return
		}
	}
	pod.Annotations[SecurePortKey] = port
}

// lookup returns an annotation in whatever spelling it has. The usual spelling
// goes first; of several others the first in alphabetical order.
func lookup(annotations map[string]string, name string) string {
	if v, ok := annotations[name]; ok {
		return v
	}
	found := ""
	for k := range annotations {
		if sameName(k, name) && (found == "" || k < found) {
			found = k
		}
	}
	return annotations[found]
}

// sameName compares names as Prometheus does, which replaces every character
// that a label's name cannot have by an underscore.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && (letter(a[i]) || letter(b[i])) {
			return false
		}
	}
	return true
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
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

// parseTargets reads a list as the reference does: blanks and a comma too many
// do no harm.
func parseTargets(list string, statusPort int32) ([]ScrapeTarget, error) {
	var out []ScrapeTarget
	for _, item := range strings.Split(list, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		t, err := parseTarget(item, int(statusPort))
		if err != nil {
			return nil, fmt.Errorf("annotation %s: invalid value %.80q: %w", ScrapeTargetsKey, list, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func parseTarget(item string, statusPort int) (ScrapeTarget, error) {
	port, path, _ := strings.Cut(item, ":")
	n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
	if err != nil || n == 0 {
		return ScrapeTarget{}, fmt.Errorf("%q is not a port, targets must be port[:path] with a port from 1 to 65535, comma separated", port)
	}
	if int(n) == statusPort {
		return ScrapeTarget{}, fmt.Errorf("port %d is the agent's own status port, name the application's", n)
	}
	for _, p := range dataPlanePorts() {
		if int(n) == p.port {
			return ScrapeTarget{}, fmt.Errorf("port %d belongs to the data plane (%s), name the application's", n, p.use)
		}
	}
	if path = strings.TrimSpace(path); path == "" {
		path = defaultPath
	}
	// The agent puts the path right behind the port.
	if path[0] != '/' {
		path = "/" + path
	}
	return ScrapeTarget{Port: strconv.FormatUint(n, 10), Path: path}, nil
}

// RestoreScrape undoes Prometheus, as far as the proxy was told: annotations
// come back in their usual spelling.
func RestoreScrape(annotations map[string]string, proxy *corev1.Container, statusPort int32) {
	if !PointsAtAgent(annotations, statusPort) || annotations[pathKey] != mergedPath {
		return
	}
	ClearScrape(annotations)
	if proxy == nil {
		return
	}
	var was Scrape
	e := lookupEnv(proxy, ScrapeEnv)
	if e == nil || json.Unmarshal([]byte(e.Value), &was) != nil {
		return
	}
	if len(was.Targets) > 0 {
		if was.Port == was.Targets[0].Port {
			was.Port = ""
		}
		if was.Path == was.Targets[0].Path {
			was.Path = ""
		}
		annotations[ScrapeTargetsKey] = formatTargets(was.Targets)
	}
	for _, a := range []struct{ key, value string }{{scrapeKey, was.Scrape}, {portKey, was.Port}, {pathKey, was.Path}} {
		if a.value != "" {
			annotations[a.key] = a.value
		}
	}
}

func formatTargets(targets []ScrapeTarget) string {
	out := make([]string, len(targets))
	for i, t := range targets {
		out[i] = t.Port + ":" + t.Path
	}
	return strings.Join(slices.Clip(out), ",")
}
