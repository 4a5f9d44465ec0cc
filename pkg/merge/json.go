package merge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
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
	ctx     context.Context // ends the reading
	decoder *json.Decoder
	nodes   int
}

func parseJSON(ctx context.Context, data []byte) (*node, error) {
	t := tree{ctx: ctx, decoder: json.NewDecoder(bytes.NewReader(data))}
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
	if err := t.ctx.Err(); err != nil {
		return nil, err
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
	c := chain{of: &node{kind: list}}
	for t.decoder.More() {
		item, err := t.value(depth + 1)
		if err != nil {
			return nil, at("["+strconv.Itoa(int(c.of.count))+"]", err)
		}
		c.add(item)
	}
	_, err := t.decoder.Token()
	return c.of, wrap(err)
}

func (t *tree) object(depth int) (*node, error) {
	c := chain{of: &node{kind: object}}
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
		value.name = name
		c.set(value)
	}
	_, err := t.decoder.Token()
	return c.of, wrap(err)
}

func wrap(err error) error {
	if err != nil {
		return errorf("not readable: %v", err)
	}
	return nil
}
