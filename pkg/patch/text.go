package patch

import "fmt"

// text is a value of the object as it was received, which is only looked for in
// there when somebody asks. Most of what changes needs no look: a value that is
// not empty in Go is in the text as well, and has the shape of its Go type.
//
// A nil text is that of a value that was not received.
type text struct {
	raw   []byte
	known bool // raw has been looked for
	// A part of something stands in it by name, or, in a list, by place.
	in    *text
	name  string
	place int // -1: by name

	names  []entry // of an object, once they have been listed
	items  [][]byte
	parts  []part // the items of a list that was put together from others
	listed bool
}

// part says where in a text a value stands, without a look or an allocation. The
// zero part is that of a value that was not received.
type part struct {
	in    *text
	name  string
	place int // -1: by name
	it    *text
}

func (t *text) member(name string) part { return part{in: t, name: name, place: -1} }

func (t *text) item(i int) part {
	if t != nil && t.parts != nil {
		return t.parts[i]
	}
	return part{in: t, place: i}
}

// text returns the text of the part, nil for one that was not received.
func (p *part) text() *text {
	if p.it == nil && p.in != nil {
		p.it = &text{in: p.in, name: p.name, place: p.place}
	}
	return p.it
}

// bytes returns the JSON of the part, nil if there is none.
func (p *part) bytes() ([]byte, error) { return p.text().bytes() }

// received returns the text that JSON is.
func received(raw []byte) *text { return &text{raw: trim(raw), known: true} }

// bytes returns the value's JSON, nil if there is none.
func (t *text) bytes() ([]byte, error) {
	if t == nil {
		return nil, nil
	}
	if t.known {
		return t.raw, nil
	}
	if t.place < 0 {
		names, err := t.in.members()
		if err != nil {
			return nil, err
		}
		t.raw = last(names, t.name)
	} else {
		items, err := t.in.elements()
		if err != nil {
			return nil, err
		}
		if t.place >= len(items) {
			return nil, fmt.Errorf("the object as received has %d items, the pod more", len(items))
		}
		t.raw = items[t.place]
	}
	t.known = true
	return t.raw, nil
}

// members lists the entries of an object; what is none, is an error.
func (t *text) members() ([]entry, error) {
	if t != nil && t.listed {
		return t.names, nil
	}
	raw, err := t.bytes()
	if err != nil {
		return nil, err
	}
	names, err := members(raw)
	if err == nil {
		t.names, t.listed = names, true
	}
	return names, err
}

// elements lists the items of a list; what is none, is an error.
func (t *text) elements() ([][]byte, error) {
	if t.listed {
		return t.items, nil
	}
	if t.parts != nil {
		t.items = make([][]byte, len(t.parts))
		for i := range t.parts {
			var err error
			if t.items[i], err = t.parts[i].bytes(); err != nil {
				return nil, err
			}
		}
		t.listed = true
		return t.items, nil
	}
	raw, err := t.bytes()
	if err != nil {
		return nil, err
	}
	t.items, err = elements(raw)
	t.listed = err == nil
	return t.items, err
}
