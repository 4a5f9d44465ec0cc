package merge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
)

// Limits of an overlay. A pod has to fit into an object of 1.5 MiB in the API
// server's store, so no overlay of more than 1 MiB can be of use. The deepest
// field of a pod lies about 15 levels down. The number of values is what
// aliases can multiply; each takes about 100 bytes of memory.
const (
	maxText  = 1 << 20
	maxDepth = 64
	maxNodes = 1 << 18
)

// tree reads JSON into nodes that are not resolved yet. Of an entry that occurs
// twice the last one counts, as in every reader of such templates so far.
type tree struct {
	decoder *json.Decoder
	nodes   int
}

func parseJSON(data []byte) (*node, error) {
	t := tree{decoder: json.NewDecoder(bytes.NewReader(data))}
	t.decoder.UseNumber()
	n, err := t.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := t.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errorf("something follows the end of the object")
	}
	return n, nil
}

func (t *tree) value(depth int) (*node, error) {
	token, err := t.decoder.Token()
	if err != nil {
		return nil, errorf("not readable: %v", err)
	}
	return t.from(token, depth)
}

func (t *tree) from(token json.Token, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errorf("nested more than %d levels deep", maxDepth)
	}
	if t.nodes++; t.nodes > maxNodes {
		return nil, errorf("more than %d values", maxNodes)
	}
	switch v := token.(type) {
	case nil:
		return &node{kind: null}, nil
	case bool:
		return &node{kind: boolean, scalar: strconv.FormatBool(v)}, nil
	case json.Number:
		return &node{kind: number, scalar: string(v)}, nil
	case string:
		return &node{kind: text, scalar: v}, nil
	case json.Delim:
		if v == '[' {
			return t.list(depth)
		}
		return t.object(depth)
	}
	return nil, errorf("not readable: unexpected %v", token)
}

func (t *tree) list(depth int) (*node, error) {
	n := &node{kind: list}
	for t.decoder.More() {
		item, err := t.value(depth + 1)
		if err != nil {
			return nil, at("["+strconv.Itoa(len(n.children))+"]", err)
		}
		n.children = append(n.children, item)
	}
	_, err := t.decoder.Token()
	return n, wrap(err)
}

func (t *tree) object(depth int) (*node, error) {
	n := &node{kind: object}
	var seen map[string]int
	for t.decoder.More() {
		token, err := t.decoder.Token()
		if err != nil {
			return nil, wrap(err)
		}
		name, ok := token.(string)
		if !ok {
			return nil, errorf("not readable: unexpected %v", token)
		}
		value, err := t.value(depth + 1)
		if err != nil {
			return nil, at(name, err)
		}
		seen = n.set(name, value, seen)
	}
	_, err := t.decoder.Token()
	return n, wrap(err)
}

// set adds an entry or replaces the one of that name. It keeps an index, which
// the caller passes back in, once looking at every entry would be slow.
func (n *node) set(name string, value *node, seen map[string]int) map[string]int {
	const few = 16
	value.name = name
	if seen == nil && len(n.children) > few {
		seen = make(map[string]int, 4*few)
		for i, m := range n.children {
			seen[m.name] = i
		}
	}
	i, found := seen[name]
	if seen == nil {
		i = slices.IndexFunc(n.children, func(m *node) bool { return m.name == name })
		found = i >= 0
	}
	if found {
		n.children[i] = value
		return seen
	}
	if seen != nil {
		seen[name] = len(n.children)
	}
	n.children = append(n.children, value)
	return seen
}

func wrap(err error) error {
	if err != nil {
		return errorf("not readable: %v", err)
	}
	return nil
}
