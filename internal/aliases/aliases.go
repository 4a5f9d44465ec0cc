// Package aliases finds out how large a YAML document is when each alias is written
// out as what it stands for, without writing it out: a few lines may stand for
// gigabytes, and a decoder of values makes them.
package aliases

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Bounds are what a document may be with its aliases written out.
type Bounds struct {
	Values int // keys, texts, lists and maps, each as one
	Bytes  int // of keys and texts
	Depth  int // of lists and maps within each other
}

// Error is a document that is beyond a bound.
type Error struct{ problem string }

func (e *Error) Error() string { return e.problem }

// Text checks a text, which is only parsed when it may hold an alias. The error is
// an *Error, or says why it is not YAML.
func (b Bounds) Text(text []byte) error {
	if !bytes.ContainsRune(text, '*') || !bytes.ContainsRune(text, '&') {
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	return b.Node(&doc)
}

// Node checks a document that was parsed. The error is an *Error.
func (b Bounds) Node(doc *yaml.Node) error {
	m := &measurer{bounds: b, known: map[*yaml.Node]extent{}, open: map[*yaml.Node]bool{}}
	e, err := m.of(doc)
	switch {
	case err != nil:
		return err
	case e.values > b.Values:
		return &Error{fmt.Sprintf("its values expand to more than %d, each alias counted as what it stands for", b.Values)}
	case e.bytes > b.Bytes:
		return &Error{fmt.Sprintf("its values expand to more than %d bytes, each alias counted as what it stands for", b.Bytes)}
	case e.depth > b.Depth:
		return &Error{fmt.Sprintf("values are nested more than %d deep", b.Depth)}
	}
	return nil
}

// extent is how much a value is when its aliases are written out.
type extent struct{ values, bytes, depth int }

// measurer finds the extent of values, each once.
type measurer struct {
	bounds Bounds
	known  map[*yaml.Node]extent
	// open are the values that the measurer is within.
	open map[*yaml.Node]bool
}

func (m *measurer) of(n *yaml.Node) (extent, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if len(n.Content) == 0 {
		return extent{1, len(n.Value), 0}, nil
	}
	if e, ok := m.known[n]; ok {
		return e, nil
	}
	if m.open[n] {
		return extent{}, &Error{fmt.Sprintf("line %d: an alias stands for what it is part of, which would expand to more than any number of values", n.Line)}
	}
	m.open[n] = true
	// A document is no value and no level.
	e, level := extent{values: 1}, 1
	if n.Kind == yaml.DocumentNode {
		e.values, level = 0, 0
	}
	for _, c := range n.Content {
		inner, err := m.of(c)
		if err != nil {
			return e, err
		}
		// Sums of what is beyond the bounds already could overflow.
		e.values = min(e.values+inner.values, m.bounds.Values+1)
		e.bytes = min(e.bytes+inner.bytes, m.bounds.Bytes+1)
		e.depth = max(e.depth, inner.depth+level)
	}
	delete(m.open, n)
	m.known[n] = e
	return e, nil
}
