package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// checkOverrides refuses a pod that declares an injected container which the
// configuration lets no pod declare. A pod's own word that a container comes from an
// earlier injection counts for nothing: such a container may hold what the templates
// render, what API servers add to every container, and nothing else.
func (r *request) checkOverrides(merged, template *podmodel.Pod) error {
	if r.config.AllowedOverrides == nil {
		return nil
	}
	for _, list := range []podmodel.Containers{podmodel.InitContainers, podmodel.AppContainers} {
		for i := range containers(template, list) {
			rendered := &containers(template, list)[i]
			if r.config.AllowedOverrides.Allows(rendered.Name) {
				continue
			}
			if err := r.checkOverride(rendered, proxy.FindContainer(containers(merged, list), rendered.Name)); err != nil {
				return refuse(decide.NotAllowed, fmt.Errorf("container %.63q: the injector's configuration does not let pods declare what is injected under this name (allowedOverrides: %s): %w", rendered.Name, r.config.AllowedOverrides, err))
			}
		}
	}
	return nil
}

// checkOverride checks one container that no pod may declare.
func (r *request) checkOverride(rendered, merged *corev1.Container) error {
	name := rendered.Name
	if findSaved(r.saved.Containers, name) != nil || findSaved(r.saved.InitContainers, name) != nil {
		return fmt.Errorf("remove it from the pod and from its annotation proxy.istio.io/overrides")
	}
	spec := &r.received.Spec
	if proxy.FindContainer(spec.Containers, name) == nil && proxy.FindContainer(spec.InitContainers, name) == nil {
		return nil
	}
	if !slices.Contains(r.earlier.Containers, name) && !slices.Contains(r.earlier.InitContainers, name) {
		return fmt.Errorf("remove it from the pod, or give it another name")
	}
	if merged == nil {
		return nil // a template has removed it again
	}
	if at := surplus("", plain(merged), plain(rendered)); at != "" {
		return fmt.Errorf("the pod's own has %.100s, which the templates do not render: remove it from the pod together with its annotation sidecar.istio.io/status", strings.TrimPrefix(at, "."))
	}
	return nil
}

// plain returns a container as JSON's own types, numbers as they are written.
func plain(c *corev1.Container) any {
	var out any
	text, err := json.Marshal(c)
	if err != nil {
		return nil // a container that was read from JSON can be written
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_ = d.Decode(&out)
	return out
}

// surplus returns the path of the first field that has is set in one value and not
// the same in the other, except for what an API server or the engine itself adds;
// empty where there is none.
func surplus(path string, has, rendered any) string {
	switch value := has.(type) {
	case map[string]any:
		other, _ := rendered.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if rest, ok := other[key]; !ok && addedByOthers(path, key, value, other) {
				continue
			} else if at := surplus(path+"."+key, value[key], rest); at != "" {
				return at
			}
		}
		return ""
	case []any:
		other, _ := rendered.([]any)
		return surplusItem(path, value, other)
	}
	if reflect.DeepEqual(has, rendered) {
		return ""
	}
	return path
}

// surplusItem compares lists: items of objects by what identifies them, others one
// by one.
func surplusItem(path string, has, rendered []any) string {
	key := itemKey(path)
	byKey := make(map[any][]any, len(rendered))
	for _, item := range rendered {
		if object, ok := item.(map[string]any); ok {
			byKey[object[key]] = append(byKey[object[key]], item)
		}
	}
	own := 0 // items that nobody else has added
	for i, item := range has {
		at := path + "[" + strconv.Itoa(i) + "]"
		object, ok := item.(map[string]any)
		if !ok {
			if i >= len(rendered) || !reflect.DeepEqual(item, rendered[i]) {
				return at
			}
			continue
		}
		if itemAddedByOthers(path, object) {
			continue
		}
		// More items than are rendered are too many, whichever they are.
		if own++; own > len(rendered) {
			return at
		}
		candidates := rendered
		if key != "" {
			candidates = byKey[object[key]]
		}
		same := func(other any) bool { return surplus(path, object, other) == "" }
		if !slices.ContainsFunc(candidates, same) {
			return at
		}
	}
	return ""
}

// itemKey is the field by which the items of a container's long lists are told apart;
// empty for other lists, whose items are few because templates render them one by one.
func itemKey(path string) string {
	switch path {
	case ".env":
		return "name"
	case ".volumeMounts":
		return "mountPath"
	case ".ports":
		return "containerPort"
	}
	return ""
}

// addedByOthers reports whether a field is one that API servers give a default to.
// An empty object says nothing.
func addedByOthers(path, key string, in, rendered map[string]any) bool {
	if object, ok := in[key].(map[string]any); ok && len(object) == 0 {
		return true
	}
	switch key {
	case "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy":
		return path == ""
	case "protocol":
		return path == ".ports"
	case "apiVersion":
		return strings.HasSuffix(path, ".fieldRef")
	case "divisor":
		return strings.HasSuffix(path, ".resourceFieldRef")
	case "scheme":
		return strings.HasSuffix(path, ".httpGet")
	case "service":
		return strings.HasSuffix(path, ".grpc")
	case "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold":
		return strings.HasSuffix(path, "Probe")
	case "httpGet":
		return redirectedAction(in[key])
	case "requests":
		// A limit is a request where there is none.
		return path == ".resources" && reflect.DeepEqual(in[key], rendered["limits"])
	}
	return false
}

// redirectedAction reports whether a probe's or hook's action is the one by which an
// injection replaces the container's own.
func redirectedAction(action any) bool {
	get, _ := action.(map[string]any)
	path, _ := get["path"].(string)
	return strings.HasPrefix(path, "/app-health/") || strings.HasPrefix(path, "/app-lifecycle/")
}

// serviceAccountMount is where Kubernetes' own admission mounts the service account's
// token into every container.
const serviceAccountMount = "/var/run/secrets/kubernetes.io/serviceaccount"

// itemAddedByOthers reports whether an item of a list comes from Kubernetes' admission
// of the service account, or from the engine's work after the templates'.
func itemAddedByOthers(path string, item map[string]any) bool {
	switch path {
	case ".volumeMounts":
		return item["mountPath"] == serviceAccountMount
	case ".env":
		switch item["name"] {
		case proxy.ProbersEnv, proxy.ScrapeEnv, proxy.SecurePortEnv, proxy.ClusterEnv, proxy.NetworkEnv:
			return true
		}
	}
	return false
}
