package proxy

import (
	"encoding/json"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
)

// The annotations and variables of metrics.
const (
	// ScrapeTargetsKey lists the application's endpoints, port[:path].
	ScrapeTargetsKey = "prometheus.istio.io/scrape-targets"
	// SecurePortKey is the port on which merged metrics are served over mutual TLS.
	SecurePortKey = "prometheus.istio.io/secure-port"
	// ScrapeEnv holds the application's endpoints, a Scrape in JSON.
	ScrapeEnv = "ISTIO_PROMETHEUS_ANNOTATIONS"
	// SecurePortEnv is the port of the proxy for SecurePortKey.
	SecurePortEnv = "ENVOY_SECURE_MERGED_METRICS_PORT"

	scrapeKey = "prometheus.io/scrape"
	portKey   = "prometheus.io/port"
	pathKey   = "prometheus.io/path"

	mergedPath = "/stats/prometheus"
)

// Metrics are the settings for merging the application's metrics with the proxy's.
type Metrics struct {
	// Merge is the mesh's setting; the pod's annotation wins.
	Merge bool
	// StatusPort is where the proxy's agent serves the merged metrics.
	StatusPort int32
}

// scrape is the value of ScrapeEnv: the application's own metrics.
type scrape struct {
	Scrape  string         `json:"scrape"`
	Path    string         `json:"path"`
	Port    string         `json:"port"`
	Targets []scrapeTarget `json:"targets,omitempty"`
}

func (s *scrape) empty() bool {
	return s.Scrape == "" && s.Path == "" && s.Port == "" && len(s.Targets) == 0
}

// Apply makes the pod's scrape annotations point at the proxy's agent, and records
// on the proxy where they pointed before, so that the agent scrapes it there. The
// error is about a scrape target that the agent could not scrape.
func (m Metrics) Apply(pod *corev1.Pod) error {
	wanted := lookup(pod.Annotations, scrapeKey)
	if on, err := strconv.ParseBool(wanted); err == nil && !on || !m.merges(pod.Annotations) || m.PointsAtAgent(pod.Annotations) {
		return nil
	}
	was := scrape{Scrape: wanted, Path: lookup(pod.Annotations, pathKey), Port: lookup(pod.Annotations, portKey)}
	var err error
	if was.Targets, err = parseTargets(pod.Annotations[ScrapeTargetsKey], m.StatusPort); err != nil {
		return err
	}
	if len(was.Targets) > 0 {
		// Agents that do not know targets scrape the first one. A port or path beside
		// the targets has no effect.
		was.Port, was.Path = was.Targets[0].Port, was.Targets[0].Path
	}
	if c := Find(&pod.Spec); c != nil && !was.empty() {
		text, _ := json.Marshal(was) // cannot fail for this type
		AddEnv(c, ScrapeEnv, string(text))
	}
	ClearScrape(pod.Annotations)
	pod.Annotations[portKey] = strconv.Itoa(int(m.StatusPort))
	pod.Annotations[pathKey] = mergedPath
	pod.Annotations[scrapeKey] = "true"
	return nil
}

// Revert restores the scrape annotations from the record on the proxy, in their
// usual spelling. Without a record the application had none. A port or path that
// the user had beside scrape targets is not recorded, so it is not restored.
func (m Metrics) Revert(pod *corev1.Pod) {
	if !m.PointsAtAgent(pod.Annotations) || pod.Annotations[pathKey] != mergedPath {
		return
	}
	ClearScrape(pod.Annotations)
	c := Find(&pod.Spec)
	if c == nil {
		return
	}
	var was scrape
	e := LookupEnv(c, ScrapeEnv)
	if e == nil || json.Unmarshal([]byte(e.Value), &was) != nil {
		return
	}
	if len(was.Targets) > 0 {
		was.Port, was.Path = "", ""
		pod.Annotations[ScrapeTargetsKey] = formatTargets(was.Targets)
	}
	for _, a := range []struct{ key, value string }{{scrapeKey, was.Scrape}, {portKey, was.Port}, {pathKey, was.Path}} {
		if a.value != "" {
			pod.Annotations[a.key] = a.value
		}
	}
}

func (m Metrics) merges(all map[string]string) bool {
	if v, err := strconv.ParseBool(all[annotations.MergeMetrics]); err == nil {
		return v
	}
	return m.Merge
}

// PointsAtAgent reports whether the scrape annotations are those that Apply sets.
func (m Metrics) PointsAtAgent(all map[string]string) bool {
	return lookup(all, portKey) == strconv.Itoa(int(m.StatusPort))
}

// ClearScrape removes the scrape annotations in every spelling.
func ClearScrape(all map[string]string) {
	for k := range all {
		if sameName(k, scrapeKey) || sameName(k, portKey) || sameName(k, pathKey) || k == ScrapeTargetsKey {
			delete(all, k)
		}
	}
}

// AnnounceSecurePort sets the annotation SecurePortKey, unless the pod has it in
// some spelling or the proxy has no such port.
func AnnounceSecurePort(pod *corev1.Pod) {
	port, ok := securePort(pod)
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

// RevertSecurePort removes the annotation if it names the proxy's port.
func RevertSecurePort(pod *corev1.Pod) {
	if port, ok := securePort(pod); ok && pod.Annotations[SecurePortKey] == port {
		delete(pod.Annotations, SecurePortKey)
	}
}

func securePort(pod *corev1.Pod) (port string, ok bool) {
	c := Find(&pod.Spec)
	if c == nil {
		return "", false
	}
	e := LookupEnv(c, SecurePortEnv)
	if e == nil || e.Value == "" || e.Value == "0" {
		return "", false
	}
	return e.Value, true
}

// lookup returns the value of an annotation in any spelling: the usual one, else
// the first of the others in alphabetical order.
func lookup(all map[string]string, name string) string {
	if v, ok := all[name]; ok {
		return v
	}
	var spellings []string
	for k := range all {
		if sameName(k, name) {
			spellings = append(spellings, k)
		}
	}
	if len(spellings) == 0 {
		return ""
	}
	return all[slices.Min(spellings)]
}

// sameName compares names as Prometheus does, which replaces every character that
// the name of a label cannot have by an underscore.
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

// letter reports whether a character is an ASCII letter or digit.
func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
