// Package yamlpath finds the node of a YAML document that a path names, as messages
// write paths: spec.containers[istio-proxy].image, neverInjectSelector[2].
package yamlpath

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Find returns the node of a document at a path, and the key that leads to it; key is nil for an item
// of a list. Where a part of the path is not there, it returns what is there of it, and
// exact is false. Names may have dots in them: of several ways to read a path, the one
// with the longest names is taken.
func Find(doc *yaml.Node, path string) (key, value *yaml.Node, exact bool) {
	if doc.Kind == yaml.DocumentNode {
		if len(doc.Content) == 0 {
			return nil, nil, false
		}
		doc = doc.Content[0]
	}
	if doc.Kind == 0 {
		return nil, nil, false
	}
	return find(nil, doc, path)
}

func find(key, n *yaml.Node, path string) (k, v *yaml.Node, exact bool) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	path = strings.TrimPrefix(path, ".")
	if path == "" {
		return key, n, true
	}
	switch n.Kind {
	case yaml.MappingNode:
		name, rest := "", ""
		var at int
		for i := 0; i+1 < len(n.Content); i += 2 {
			// Of a key that is there twice, the last one counts.
			if k := n.Content[i].Value; len(k) >= len(name) && begins(path, k) && k != "" {
				name, rest, at = k, path[len(k):], i
			}
		}
		if name != "" {
			return find(n.Content[at], n.Content[at+1], rest)
		}
	case yaml.SequenceNode:
		step, rest, ok := item(path)
		if i := index(n, step); ok && i >= 0 {
			return find(nil, n.Content[i], rest)
		}
	}
	return key, n, false
}

// begins reports whether a path begins with a key as one of its steps.
func begins(path, key string) bool {
	rest, ok := strings.CutPrefix(path, key)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// item takes [item] from the beginning of a path.
func item(path string) (step, rest string, ok bool) {
	if !strings.HasPrefix(path, "[") {
		return "", "", false
	}
	step, rest, ok = strings.Cut(path[1:], "]")
	return strings.TrimPrefix(step, "name="), rest, ok
}

// index finds the item of a list that a step names: by its name, or else by its number.
func index(list *yaml.Node, step string) int {
	for i := len(list.Content) - 1; i >= 0; i-- {
		m := list.Content[i]
		for m.Kind == yaml.AliasNode {
			m = m.Alias
		}
		for j := 0; m.Kind == yaml.MappingNode && j+1 < len(m.Content); j += 2 {
			if m.Content[j].Value == "name" && m.Content[j+1].Value == step {
				return i
			}
		}
	}
	if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(list.Content) {
		return i
	}
	return -1
}
