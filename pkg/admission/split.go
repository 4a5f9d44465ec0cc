package admission

import "bytes"

// A review is little more than its object, and the engine decodes the object
// anyway. encoding/json would read it twice more only to find where it ends, so
// that is done here, and encoding/json gets the review without the object.

// null stands where an object was cut out.
const null = "null"

// split cuts request.object out of a review, and drops request.oldObject, which
// nobody reads. envelope is what is left, with null in their places. ok is false
// when the text is not plain enough for this, and is to be decoded as a whole:
// that is for texts that no API server sends.
//
// What is cut out is not checked to be JSON; whoever decodes it finds out. The
// envelope is checked when it is decoded.
func split(body []byte) (envelope, object []byte, ok bool) {
	var cuts []span
	requests, objects := 0, 0
	inRequest := func(key []byte, i int) int {
		to := valueEnd(body, i)
		isObject := string(key) == "object"
		if to >= 0 && (isObject || string(key) == "oldObject") {
			cuts = append(cuts, span{i, to})
		}
		if to >= 0 && isObject {
			object = body[i:to]
			objects++
		}
		return to
	}
	end := members(body, space(body, 0), func(key []byte, i int) int {
		if string(key) != "request" {
			return valueEnd(body, i)
		}
		requests++
		return members(body, i, inRequest)
	})
	if end < 0 || requests != 1 || objects != 1 {
		return nil, nil, false
	}
	envelope = make([]byte, 0, len(body)-len(object)+len(cuts)*len(null))
	from := 0
	for _, c := range cuts {
		envelope = append(append(envelope, body[from:c.from]...), null...)
		from = c.to
	}
	return append(envelope, body[from:]...), object, true
}

// span is where a value stands in a text.
type span struct{ from, to int }

// members calls do with each member of the object that begins at i; do returns the
// index after the member's value, or -1. It returns the index after the object, or
// -1: also for what is no object, and for keys with escapes, whose spelling does
// not tell their name.
func members(b []byte, i int, do func(key []byte, i int) int) int {
	if i >= len(b) || b[i] != '{' {
		return -1
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		end := stringEnd(b, i)
		if end < 0 || bytes.IndexByte(b[i:end], '\\') >= 0 {
			return -1
		}
		key := b[i+1 : end-1]
		i = space(b, end)
		if i >= len(b) || b[i] != ':' {
			return -1
		}
		if i = do(key, space(b, i+1)); i < 0 {
			return -1
		}
		i = space(b, i)
		if i >= len(b) {
			return -1
		}
		switch b[i] {
		case '}':
			return i + 1
		case ',':
			i = space(b, i+1)
		default:
			return -1
		}
	}
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns the index after the string that begins at i, or -1.
func stringEnd(b []byte, i int) int {
	for i++; ; {
		quote := bytes.IndexByte(b[i:], '"')
		if quote < 0 {
			return -1
		}
		end := i + quote
		// The quote is escaped when an odd number of backslashes stands before it.
		first := end
		for first > i && b[first-1] == '\\' {
			first--
		}
		i = end + 1
		if (end-first)%2 == 0 {
			return i
		}
	}
}

// valueEnd returns the index after the value that begins at i, or -1.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	}
	from := i
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && space(b, i) == i {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

// nestedEnd returns the index after the object or list that begins at i, or -1.
// It does not care which bracket closes which, and so needs no stack.
func nestedEnd(b []byte, i int) int {
	// { and [ differ in one bit only, and so do } and ]; with it no two of
	// those that may stand outside of strings become the same.
	const bit = '{' ^ '['
	depth := 0
	for i < len(b) {
		switch b[i] | bit {
		case '"' | bit:
			if b[i] == '"' {
				if i = stringEnd(b, i); i < 0 {
					return -1
				}
				continue
			}
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}
