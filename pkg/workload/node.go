package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds how many nodes the aliases of a document expand to.
const maxNodes = 1 << 20

// parseYAML reads the tree of a document. Aliases and merge keys are replaced by
// copies of what they refer to, so that a change in one of them changes no other.
func parseYAML(text []byte) (*yaml.Node, error) {
	doc := new(yaml.Node)
	if err := yaml.Unmarshal(text, doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, fmt.Errorf("not one document")
	}
	e := expander{left: maxNodes}
	root, err := e.expand(doc.Content[0])
	if err != nil {
		return nil, err
	}
	doc.Content[0] = root
	return doc, nil
}

type expander struct{ left int }

func (e *expander) expand(n *yaml.Node) (*yaml.Node, error) {
	if e.left--; e.left < 0 {
		return nil, fmt.Errorf("aliases multiply to more than %d values", maxNodes)
	}
	if n.Kind == yaml.AliasNode {
		return e.expand(n.Alias)
	}
	out := *n
	out.Anchor, out.Content = "", nil
	for _, child := range n.Content {
		c, err := e.expand(child)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, c)
	}
	if out.Kind == yaml.MappingNode {
		mergeKeys(&out)
	}
	return &out, nil
}

// mergeKeys replaces << entries by the entries of the mappings that they refer to.
// The mapping's own entries have precedence, then those of earlier sources.
func mergeKeys(n *yaml.Node) {
	var own, merged []*yaml.Node
	for pair := range slices.Chunk(n.Content, 2) {
		key, value := pair[0], pair[1]
		if key.Tag != "!!merge" {
			own = append(own, key, value)
			continue
		}
		sources := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			sources = value.Content
		}
		for _, s := range sources {
			if s.Kind == yaml.MappingNode {
				merged = append(merged, s.Content...)
			}
		}
	}
	n.Content = own
	for pair := range slices.Chunk(merged, 2) {
		if entry(n, pair[0].Value) < 0 {
			n.Content = append(n.Content, pair...)
		}
	}
}

// entry returns the index of a mapping's value, -1 when there is none.
func entry(n *yaml.Node, key string) int {
	if n == nil || n.Kind != yaml.MappingNode {
		return -1
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		if n.Content[i].Value == key {
			return i + 1
		}
	}
	return -1
}

// child returns a mapping's value; nil when there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if i := entry(n, key); i >= 0 {
		return n.Content[i]
	}
	return nil
}

func descend(n *yaml.Node, path []string) *yaml.Node {
	for _, key := range path {
		n = child(n, key)
	}
	return n
}

// fromJSON converts JSON to nodes, with entries in the order of the text.
func fromJSON(text []byte) (*yaml.Node, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n, err := nodeFrom(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the end of the object")
	}
	return n, nil
}

const maxDepth = 1000

func nodeFrom(d *json.Decoder, depth int) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	switch v := token.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if v == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for d.More() {
			if n.Kind == yaml.MappingNode {
				key, err := d.Token()
				if err != nil {
					return nil, err
				}
				name, _ := key.(string)
				n.Content = append(n.Content, stringNode(name))
			}
			c, err := nodeFrom(d, depth+1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}
		_, err := d.Token()
		return n, err
	case string:
		return stringNode(v), nil
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(v.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: v.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
}

// ambiguous matches text that is no string in YAML 1.1, but that the writer, which
// follows YAML 1.2, would leave without quotes.
var ambiguous = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|=|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[-+]?0[0-9_]+|[-+]?0b[01_]+|[-+]?[0-9][0-9_]*(\.[0-9_]*)?(e[-+]?[0-9]+)?)$`)

func stringNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch {
	case ambiguous.MatchString(s):
		n.Style = yaml.DoubleQuotedStyle
	case strings.HasPrefix(s, "{") || strings.HasPrefix(s, "["): // JSON is full of quotes itself
		n.Style = yaml.SingleQuotedStyle
	}
	return n
}

// writeYAML writes the tree, with lists indented as in the document.
func writeYAML(doc *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if !indentsLists(doc) {
		e.CompactSeqIndent()
	}
	if err := e.Encode(doc); err != nil {
		return nil, err
	}
	if err := e.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// indentsLists reports whether the document's first list in block style is indented
// more than its key.
func indentsLists(n *yaml.Node) bool {
	found, indents := false, false
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		for i := 0; i < len(n.Content) && !found; i++ {
			c := n.Content[i]
			if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.SequenceNode && c.Style&yaml.FlowStyle == 0 && c.Column > 0 {
				found, indents = true, c.Column > n.Content[i-1].Column
				return
			}
			walk(c)
		}
	}
	walk(n)
	return indents
}

// writeJSON writes data as JSON, with entries in the order of the tree.
func writeJSON(b *bytes.Buffer, n *yaml.Node, data any) error {
	switch v := data.(type) {
	case map[string]any:
		b.WriteByte('{')
		first := true
		for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			value, ok := v[key]
			if !ok || entry(n, key) != i+1 {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			if err := encode(b, key); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := writeJSON(b, n.Content[i+1], value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			var c *yaml.Node
			if n != nil && i < len(n.Content) {
				c = n.Content[i]
			}
			if err := writeJSON(b, c, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	}
	return encode(b, data)
}

func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}
