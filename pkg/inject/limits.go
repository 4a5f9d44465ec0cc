package inject

import (
	"bytes"
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// The bounds on what a pod may hold that is to be injected; docs/limits.md lists them
// for users. Each is several times what is found in clusters, and low enough that the
// worst pod within all of them takes less than a second, and less memory than
// [MemoryFor] says. One that is not to be injected may be as large as it likes.
const (
	// maxObject is the length of the pod's JSON: what an API server reads of a request
	// (MaxRequestBodyBytes of k8s.io/apiserver, 3 MiB), and room for the defaults that
	// it adds.
	maxObject = 7 << 19
	// maxContainers counts init and ephemeral containers, too. A kubelet runs 110 pods
	// by default, and pods of ten containers are rare.
	maxContainers = 200
	// maxVolumes is ten times the mounts that a node's kernel copes with easily.
	maxVolumes = 2_000
	// maxEnv counts the variables of all containers. Applications in the field have up
	// to two thousand.
	maxEnv = 20_000
	// maxMounts counts those of all containers: a hundred volumes in every one.
	maxMounts = 20_000
	// maxPorts counts those of all containers: fifty for each. Templates put them all
	// into one variable.
	maxPorts = 10_000
	// maxLabels is far more than selectors and metrics can use; the proxy gets them all
	// in one variable.
	maxLabels = 1_000
	// maxOwners bounds owner references, of which pods have one.
	maxOwners = 100
	// maxAnnotations is the API server's own bound on the bytes of all keys and values
	// (TotalAnnotationSizeLimitB of k8s.io/apimachinery).
	maxAnnotations = 256 << 10
	// maxAnnotation is the length of the value of an annotation that the engine reads as
	// YAML or as a list: reading costs some hundred times what copying does. It is
	// enough for three thousand IP ranges.
	maxAnnotation = 64 << 10
	// maxTemplatesText is the length of the annotation that names templates.
	maxTemplatesText = 4 << 10
	// maxTemplates is how many templates a pod may name, aliases replaced. Each is
	// rendered and merged, also one that is named twice.
	maxTemplates = 16
	// maxRecorded is how many names the status annotation may hold: twice what a pod may.
	maxRecorded = 2 * (maxContainers + maxVolumes)
	// maxOverrides is how many containers the overrides annotation may hold, and
	// maxOverrideValues how many names and values in all: four thousand variables.
	maxOverrides      = maxContainers
	maxOverrideValues = 20_000
	// maxItems counts the items of all lists: of those that have no bound of their own,
	// each takes up to a hundred bytes of memory for three of text.
	maxItems = 65_536
	// maxValues counts the names and values of the JSON, but for annotations: whatever
	// has no bound of its own. Twenty thousand variables are 100,000.
	maxValues = 250_000
	// maxDepth is how many objects and lists may be within each other. The deepest field
	// of a pod is 12 levels down, and managedFields repeat them twice as deep.
	maxDepth = 100
)

// manyValues is how many values a pod's JSON may hold, as its commas say, to be decoded
// before anything is counted: decoded, these take at most 4 MiB. Pods of 10 KiB have
// some three hundred.
const manyValues = 8_192

// large reports whether a pod's outline is to be read before it is decoded.
func large(object []byte) bool {
	return len(object) > maxObject || bytes.Count(object, []byte(",")) > manyValues
}

// bound is one thing that is counted.
type bound struct {
	what      string
	has, most int
	then      string // what to do about it
}

const (
	splitPod     = "split the pod"
	mountFewer   = "mount several sources as one projected volume"
	useConfigMap = "use envFrom, or a file from a ConfigMap"
	shorten      = "shorten it"
)

func (b *bound) check() error {
	if b.has <= b.most {
		return nil
	}
	return refuse(decide.LimitExceeded, fmt.Errorf("the pod has %d %s, at most %d are taken for injection: %s, or let it do without a sidecar", b.has, b.what, b.most, b.then))
}

// checkCounts refuses a pod that holds too much.
func checkCounts(c *podmodel.Counts) error {
	for _, b := range [...]bound{
		{"containers, init containers and ephemeral containers", c.Containers, maxContainers, splitPod},
		{"volumes", c.Volumes, maxVolumes, mountFewer},
		{"environment variables", c.Env, maxEnv, useConfigMap},
		{"volume mounts", c.Mounts, maxMounts, mountFewer},
		{"container ports", c.Ports, maxPorts, "leave out ports that nobody has to know of"},
		{"labels", c.Labels, maxLabels, "use annotations"},
		{"owner references", c.Owners, maxOwners, "name the controller only"},
		{"bytes of annotations", c.Annotations, maxAnnotations, "put what is large into a ConfigMap"},
		{"items in the lists of its JSON", c.Items, maxItems, splitPod},
		{"names and values in its JSON", c.Values, maxValues, splitPod},
		{"levels of objects and lists within each other", c.Depth, maxDepth, "leave out unknown fields"},
	} {
		if err := b.check(); err != nil {
			return err
		}
	}
	return nil
}

// checkAnnotations refuses a pod with an annotation that is too long for what it is
// read as.
func (r *request) checkAnnotations() error {
	all := r.received.Annotations
	if r.config.Dialect == config.Current {
		for key, most := range map[string]int{templatesKey: maxTemplatesText, proxyConfigKey: maxAnnotation, proxy.ScrapeTargetsKey: maxAnnotation} {
			if err := checkLength(key, all[key], most); err != nil {
				return err
			}
		}
	}
	for key, value := range all {
		if len(value) > maxAnnotation && annotations.Checked(key) {
			return checkLength(key, value, maxAnnotation)
		}
	}
	return nil
}

func checkLength(key, value string, most int) error {
	if len(value) <= most {
		return nil
	}
	return refuse(decide.LimitExceeded, fmt.Errorf("annotation %s is %d bytes long, at most %d are read: %s; it begins %s", key, len(value), most, shorten, cut.Quote(value, shownValue)))
}

// checkTemplates refuses a pod that names too many templates.
func checkTemplates(names []string) error {
	b := bound{"templates to be rendered, as annotation " + templatesKey + " names them", len(names), maxTemplates, "name each once"}
	return b.check()
}

// What is shown of a pod's text.
const (
	// maxMessage is the length of a refusal's message in bytes: a line in kubectl and
	// in logs.
	maxMessage = 1_000
	// maxDetail is the length of a step's detail in a trace.
	maxDetail = 500
	// maxName is the length of names in results: none that Kubernetes stores is longer.
	maxName = 253
	// shownValue is how much is shown of a value that is refused.
	shownValue = 60
)
