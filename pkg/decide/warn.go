package decide

import (
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// The limits on admission warnings: kubectl prints each on a line of its own,
// and API servers cut warnings longer than 120 characters.
const (
	maxWarnings      = 3
	maxWarningLength = 120
)

// Warnings returns what the person who created a pod may not expect: a value of
// the inject label or annotation that has no effect, and a pod that asks for
// injection but is not injected.
func Warnings(r *Rules, in Input, d Decision) []string {
	var out []string
	kind, value, ok := "label", "", false
	if !r.classic {
		value, ok = in.Labels[InjectKey]
	}
	if !ok {
		kind = "annotation"
		value = in.Annotations[InjectKey]
	}
	asks := value == "true" || r.classic && yes(value)
	if value != "" && value != "true" && value != "false" && !r.classic {
		out = append(out, fmt.Sprintf(`%s %s=%q has no effect, must be "true" or "false"`, kind, InjectKey, cut.Line(value, 30)))
	}
	if asks && d.Outcome == Skip {
		out = append(out, unmetRequest(kind, d.Code, in.Namespace))
	}
	return Limit(out)
}

func unmetRequest(kind string, code Code, namespace string) string {
	begin := fmt.Sprintf("%s %s asks for a sidecar, but none is injected: ", kind, InjectKey)
	switch code {
	case HostNetwork:
		return begin + "the pod uses hostNetwork"
	case SystemNamespace:
		return begin + cut.Line(namespace, 20) + " is spared"
	}
	return begin + string(code)
}

// Limit shortens warnings, in place, to what an API server passes on.
func Limit(warnings []string) []string {
	warnings = warnings[:min(len(warnings), maxWarnings)]
	for i, w := range warnings {
		warnings[i] = cut.Line(w, maxWarningLength)
	}
	return warnings
}
