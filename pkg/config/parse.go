package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// maxSource limits one file. A ConfigMap holds at most 1 MiB in all its keys,
// so whatever is larger did not come from one, and is a mistake.
const maxSource = 4 << 20

// Parse reads the three sources. The error joins an *[Error] for everything that is
// wrong in them: errors.As finds one, Unwrap() []error returns all.
func Parse(s Sources) (*Config, error) {
	inject := &report{file: s.Inject.Name}
	mesh := &report{file: s.Mesh.Name}
	values := &report{file: s.Values.Name}

	c := parseInject(s.Inject, inject)
	c.Values = parseValues(s.Values, values)
	if c.Dialect == Classic {
		c.ClassicMesh = parseClassicMesh(s.Mesh, mesh)
	} else {
		c.Mesh = parseMesh(s.Mesh, mesh)
	}

	notes, err := join(inject, mesh, values)
	if err != nil {
		return nil, err
	}
	c.Notes = notes
	if c.hash, err = hash(c); err != nil {
		return nil, err
	}
	return c, nil
}

// document parses one YAML document and returns its top mapping, or nil when there
// is none. Unless the file is empty, that is an error.
func document(s Source, r *report) *yaml.Node {
	if len(s.Data) > maxSource {
		r.errorf(0, "", "%d bytes are more than the %d that a configuration file may have", len(s.Data), maxSource)
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(s.Data, &doc); err != nil {
		line, msg := yamlError(err)
		r.errorf(line, "", "%s", msg)
		return nil
	}
	if doc.Kind == 0 || len(doc.Content) == 0 {
		return nil
	}
	top := resolve(doc.Content[0])
	if isNull(top) {
		return nil
	}
	if top.Kind != yaml.MappingNode {
		r.errorf(top.Line, "", "found %s, but the file must hold a mapping", kindOf(top))
		return nil
	}
	return top
}

// yamlError returns the line and the rest of a parser's message. The parser does not
// mention the first line.
func yamlError(err error) (line int, msg string) {
	line = 1
	msg = strings.TrimPrefix(err.Error(), "yaml: ")
	if _, scanErr := fmt.Sscanf(msg, "line %d:", &line); scanErr == nil {
		_, msg, _ = strings.Cut(msg, ": ")
	}
	return line, "not valid YAML: " + msg
}

// parseValues reads the values as the reference injector does: by way of JSON, so
// that all numbers are float64 and templates print them in the same way.
func parseValues(s Source, r *report) map[string]any {
	values := map[string]any{}
	if document(s, r) == nil {
		return values
	}
	if err := sigsyaml.Unmarshal(s.Data, &values); err != nil {
		r.errorf(0, "", "not usable as values: %s", strings.TrimPrefix(err.Error(), "error unmarshaling JSON: "))
	}
	return values
}

// pairs calls f for each key and value of a mapping. A key that is set twice is an
// error.
func pairs(m *yaml.Node, prefix string, r *report, f func(key string, k, v *yaml.Node)) {
	seen := map[string]int{}
	for pair := range slices.Chunk(m.Content, 2) {
		k, v := pair[0], resolve(pair[1])
		if k.Kind != yaml.ScalarNode {
			r.errorf(k.Line, strings.TrimSuffix(prefix, "."), "found %s as a key, but keys must be strings", kindOf(k))
			continue
		}
		if first, dup := seen[k.Value]; dup {
			r.errorf(k.Line, prefix+k.Value, "is set twice, first in line %d; remove one", first)
			continue
		}
		seen[k.Value] = k.Line
		f(k.Value, k, v)
	}
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!str":
		return fmt.Sprintf("the string %.60q", n.Value)
	case "!!bool":
		return "the boolean " + n.Value
	case "!!int", "!!float":
		return "the number " + n.Value
	}
	return fmt.Sprintf("%.60q", n.Value)
}

// maxNodes limits what aliases may expand to.
const maxNodes = 100_000

// toJSON converts one node, so that a single field can be decoded on its own
// and an error be given that field's line.
func toJSON(n *yaml.Node) ([]byte, error) {
	budget := maxNodes
	n, err := expand(n, &budget)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		return nil, err
	}
	return sigsyaml.YAMLToJSON(text)
}

// expand returns the node with its aliases replaced by what they stand for,
// since an anchor may stand outside of the node.
func expand(n *yaml.Node, budget *int) (*yaml.Node, error) {
	if *budget--; *budget < 0 {
		return nil, fmt.Errorf("holds aliases that expand to more than %d values, or to themselves", maxNodes)
	}
	n = resolve(n)
	out := *n
	out.Anchor, out.Content = "", make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		e, err := expand(c, budget)
		if err != nil {
			return nil, err
		}
		out.Content[i] = e
	}
	return &out, nil
}
