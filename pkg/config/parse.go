package config

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/yamlerror"
)

// Parse is ParseContext without an end.
func Parse(s Sources) (*Config, error) { return ParseContext(context.Background(), s) }

// ParseContext reads the three sources. The error joins an *[Error] for everything
// that is wrong in them: errors.As finds one, Unwrap() []error returns all. The Config
// then holds what could be read, templates for example, but it is not to be used. There
// is none where the texts are too large, or when the context ends before, for example because
// time is up: then the error is the context's.
func ParseContext(ctx context.Context, s Sources) (*Config, error) {
	inject := &report{ctx: ctx, source: s.Inject}
	mesh := &report{ctx: ctx, source: s.Mesh}
	values := &report{ctx: ctx, source: s.Values}
	if sum := len(s.Inject.Data) + len(s.Mesh.Data) + len(s.Values.Data); sum > maxSources {
		inject.errorf(nil, "", "has %d bytes together with the mesh configuration and the values, more than the %d that the three may have", sum, maxSources)
		_, err := join(inject)
		return nil, err
	}

	c := parseInject(s.Inject, inject)
	c.Values, c.valuesLength = parseValues(s.Values, values), len(s.Values.Data)
	if c.Dialect == Classic {
		c.ClassicMesh = parseClassicMesh(s.Mesh, mesh)
	} else {
		c.Mesh = parseMesh(s.Mesh, mesh)
	}

	notes, err := join(inject, mesh, values)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reading the configuration: %w", ctx.Err())
	}
	c.Notes = notes
	if err != nil {
		return c, err
	}
	if c.hash, err = hash(c); err != nil {
		return nil, err
	}
	return c, nil
}

// document parses one YAML document and returns its top mapping, or nil when there
// is none. Unless the file is empty, that is an error.
func document(s Source, r *report) *yaml.Node {
	if r.ended() || tooLarge(s, r) {
		return nil
	}
	var doc yaml.Node
	if p := yamlerror.Parse(s.Data, &doc); p != nil {
		r.errorf(&yaml.Node{Line: p.Line, Column: p.Column}, "", "not valid YAML: %s", parserProblem(p))
		return nil
	}
	if doc.Kind == 0 || len(doc.Content) == 0 {
		return nil
	}
	if err := expanded().Node(&doc); err != nil {
		r.errorf(nil, "", "%v", err)
		return nil
	}
	top := resolve(doc.Content[0])
	if isNull(top) {
		return nil
	}
	if top.Kind != yaml.MappingNode {
		r.errorf(top, "", "found %s, but the file must hold a mapping", kindOf(top))
		return nil
	}
	return top
}

// parserProblem is what the parser says.
func parserProblem(p *yamlerror.Problem) given {
	text := cut.Line(p.Text, maxField)
	if p.Names {
		return given{text, "an anchor is wrong"}
	}
	return shared(text)
}

// parseValues reads the values as the reference injector does: by way of JSON, so
// that all numbers are float64 and templates print them in the same way.
func parseValues(s Source, r *report) map[string]any {
	values := map[string]any{}
	if document(s, r) == nil {
		return values
	}
	if err := sigsyaml.Unmarshal(s.Data, &values); err != nil {
		r.errorf(nil, "", "not usable as values%s", given{": " + cut.Line(strings.TrimPrefix(err.Error(), "error unmarshaling JSON: "), maxField), ""})
	}
	return values
}

// pairs calls f for each key and value of a mapping. A key that is set twice is an
// error.
func pairs(m *yaml.Node, prefix string, r *report, f func(key string, k, v *yaml.Node)) {
	seen := map[string]*yaml.Node{}
	for pair := range slices.Chunk(m.Content, 2) {
		if r.ended() {
			return
		}
		k, v := pair[0], resolve(pair[1])
		if k.Kind != yaml.ScalarNode {
			r.errorf(k, strings.TrimSuffix(prefix, "."), "found %s as a key, but keys must be strings", kindOf(k))
			continue
		}
		if first, dup := seen[k.Value]; dup {
			r.errorf(k, prefix+k.Value, "is set twice, first in line %d; remove one", r.source.place("", first).Line)
			continue
		}
		seen[k.Value] = k
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

// kindOf says what a value is, and shows it.
func kindOf(n *yaml.Node) given {
	switch n.Kind {
	case yaml.MappingNode:
		return shared("a mapping")
	case yaml.SequenceNode:
		return shared("a list")
	}
	switch n.Tag {
	case "!!null":
		return shared("nothing")
	case "!!str":
		return given{fmt.Sprintf("the string %.60q", n.Value), "a string"}
	case "!!bool":
		return given{fmt.Sprintf("the boolean %.60s", n.Value), "a boolean"}
	case "!!int", "!!float":
		return given{fmt.Sprintf("the number %.60s", n.Value), "a number"}
	}
	return given{fmt.Sprintf("%.60q", n.Value), "another kind of value"}
}

// toJSON converts one node, so that a single field can be decoded on its own
// and an error be given that field's line.
func toJSON(n *yaml.Node) ([]byte, error) {
	text, err := yaml.Marshal(expand(n))
	if err != nil {
		return nil, err
	}
	return sigsyaml.YAMLToJSON(text)
}

// expand returns the node with its aliases replaced by what they stand for,
// since an anchor may stand outside of the node. The document was measured, so this
// ends and is not large.
func expand(n *yaml.Node) *yaml.Node {
	n = resolve(n)
	out := *n
	out.Anchor, out.Content = "", make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = expand(c)
	}
	return &out
}
