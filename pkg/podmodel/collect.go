package podmodel

import (
	"bytes"
	"context"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// collect finds the unknown fields in the JSON that a typed value was decoded
// from. Of a name that is given twice the last one counts.
func collect(ctx context.Context, data []byte, t *podschema.Type, typed reflect.Value) (*Fields, error) {
	c := collector{ctx, jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	fields, err := c.object(t, typed)
	if err != nil {
		return nil, fmt.Errorf("unknown fields cannot be read: %w", err)
	}
	return fields, nil
}

type collector struct {
	ctx context.Context
	*jsontext.Decoder
}

// value collects from the next value, which a known field has become.
func (c collector) value(t *podschema.Type, pointer bool, typed reflect.Value) (*Fields, error) {
	if pointer {
		typed = typed.Elem() // of nil, not valid
	}
	switch kind := c.PeekKind(); {
	case !typed.IsValid():
	case t.Kind == podschema.Struct && kind == '{':
		return c.object(t, typed)
	case t.Kind == podschema.List && t.Elem.Kind == podschema.Struct && kind == '[':
		return c.list(t, typed)
	}
	return nil, c.SkipValue()
}

func (c collector) object(t *podschema.Type, typed reflect.Value) (*Fields, error) {
	if c.PeekKind() != '{' {
		return nil, c.SkipValue()
	}
	fields := &Fields{}
	if _, err := c.ReadToken(); err != nil {
		return nil, err
	}
	for c.PeekKind() != '}' {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		token, err := c.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		f := t.Field(name)
		switch {
		case f == nil:
			value, err := c.ReadValue()
			if err != nil {
				return nil, err
			}
			fields.Set(name, value.Clone())
		case name == managedFields:
			if err := c.SkipValue(); err != nil {
				return nil, err
			}
		default:
			below, err := c.value(f.Type, f.Pointer, f.Of(typed))
			if err != nil {
				return nil, err
			}
			fields.SetBelow(name, below)
		}
	}
	_, err := c.ReadToken()
	return fields.orNil(), err
}

// managedFields is the API server's own, large, and nobody else's to change.
const managedFields = "managedFields"

func (c collector) list(t *podschema.Type, typed reflect.Value) (*Fields, error) {
	if _, err := c.ReadToken(); err != nil {
		return nil, err
	}
	items := make([]*Fields, typed.Len())
	for i := 0; c.PeekKind() != ']'; i++ {
		if i >= len(items) { // only where the list is given twice
			if err := c.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		var err error
		if items[i], err = c.value(t.Elem, t.ElemPointer, typed.Index(i)); err != nil {
			return nil, err
		}
	}
	_, err := c.ReadToken()
	return JoinItems(t, typed, items), err
}
