package podschema

import "reflect"

// Cursor reads the fields of one struct value one after the other. It is Of, but
// finds an embedded struct once and not for each of its fields: a volume has
// thirty.
type Cursor struct {
	v        reflect.Value
	embedded reflect.Value
	at       int // index of embedded, plus one
}

// Over returns a cursor over the fields of a struct.
func Over(v reflect.Value) Cursor { return Cursor{v: v} }

// Value returns the value of one field.
func (c *Cursor) Value(f *Field) reflect.Value {
	switch len(f.Index) {
	case 1:
		return c.v.Field(f.Index[0])
	case 2:
		if c.at != f.Index[0]+1 {
			c.embedded, c.at = c.v.Field(f.Index[0]), f.Index[0]+1
		}
		return c.embedded.Field(f.Index[1])
	}
	return f.Of(c.v)
}
