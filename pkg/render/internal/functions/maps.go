package functions

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// omit returns a map without some of its keys.
func omit(m any, keys ...string) (any, error) {
	switch m := m.(type) {
	case map[string]string:
		return without(m, keys), nil
	case map[string]any:
		return without(m, keys), nil
	case nil:
		return map[string]any{}, nil
	}
	return nil, fmt.Errorf("omit: found %T, must be a map with strings as keys", m)
}

func without[V any](m map[string]V, keys []string) map[string]V {
	out := make(map[string]V, len(m))
	for k, v := range m {
		if !slices.Contains(keys, k) {
			out[k] = v
		}
	}
	return out
}

// strdict makes a map of strings from keys and values in turn.
func strdict(pairs ...string) (map[string]string, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("strdict: the key %.60q has no value", pairs[len(pairs)-1])
	}
	out := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out, nil
}

// mergeMaps puts maps together; of two with the same key the later one wins.
func mergeMaps(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// omitNil returns a value without the map entries that are null, at any depth.
func omitNil(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if e != nil {
				out[k] = omitNil(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = omitNil(e)
		}
		return out
	}
	return v
}

// appendMultusNetwork adds a network, as [namespace/]name, to the value of the
// Multus annotation, which is a comma separated list of such names or a JSON
// list of objects. A value that is neither stays as it is.
func appendMultusNetwork(existing, network string) string {
	if existing == "" {
		return network
	}
	end := strings.LastIndexByte(existing, ']')
	if end < 0 {
		for _, n := range strings.Split(existing, ",") {
			if strings.TrimSpace(n) == network {
				return existing
			}
		}
		return existing + ", " + network
	}
	var networks []map[string]any
	if json.Unmarshal([]byte(existing), &networks) != nil {
		return existing
	}
	entry := struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace,omitempty"`
	}{Name: network}
	if namespace, name, ok := strings.Cut(network, "/"); ok {
		entry.Name, entry.Namespace = name, namespace
	}
	for _, n := range networks {
		namespace, _ := n["namespace"].(string)
		if n["name"] == entry.Name && namespace == entry.Namespace || n["name"] == network {
			return existing
		}
	}
	// A struct of strings always marshals.
	text, _ := json.Marshal(entry)
	if len(networks) > 0 {
		return existing[:end] + ", " + string(text) + existing[end:]
	}
	return existing[:end] + string(text) + existing[end:]
}
