package patch

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// The received object is never decoded a second time: it is looked at where
// something changes, and then only one level of it at a time. It has been
// decoded once before, so it is JSON; the scanner needs to find the ends of
// values, not to validate them, but must not run away on anything.

var errNotJSON = errors.New("the object as received is not valid JSON")

// entry is a member of a JSON object as it stands in the text.
type entry struct {
	name  string
	value []byte
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns the index after the string that begins at i: after the first
// quote that has an even number of backslashes in front of it.
func stringEnd(b []byte, i int) (int, error) {
	for j := i + 1; j <= len(b); j++ {
		k := bytes.IndexByte(b[j:], '"')
		if k < 0 {
			break
		}
		j += k
		backslashes := 0
		for b[j-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return j + 1, nil
		}
	}
	return 0, errNotJSON
}

// valueEnd returns the index after the value that begins at i.
func valueEnd(b []byte, i int) (int, error) {
	if i >= len(b) {
		return 0, errNotJSON
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	case ',', ':', '}', ']':
		return 0, errNotJSON
	}
	j := i
	for j < len(b) && !bytes.ContainsRune([]byte(",]} \t\n\r"), rune(b[j])) {
		j++
	}
	return j, nil
}

// nestedEnd skips an object or a list. Brackets are counted, not matched.
func nestedEnd(b []byte, i int) (int, error) {
	depth := 0
	for j := i; j < len(b); j++ {
		switch b[j] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return j + 1, nil
			}
		case '"':
			end, err := stringEnd(b, j)
			if err != nil {
				return 0, err
			}
			j = end - 1
		}
	}
	return 0, errNotJSON
}

func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }
func isList(value []byte) bool   { return len(value) > 0 && value[0] == '[' }

// trim takes the white space off a value's ends.
func trim(value []byte) []byte { return bytes.TrimSpace(value) }

// members lists the entries of an object in the order of the text, the ones that
// occur twice included.
func members(b []byte) ([]entry, error) {
	if !isObject(b) {
		return nil, errNotJSON
	}
	var all []entry
	i := space(b, 1)
	for i < len(b) && b[i] != '}' {
		if b[i] != '"' {
			return nil, errNotJSON
		}
		end, err := stringEnd(b, i)
		if err != nil {
			return nil, err
		}
		name, err := unquote(b[i:end])
		if err != nil {
			return nil, err
		}
		if i = space(b, end); i >= len(b) || b[i] != ':' {
			return nil, errNotJSON
		}
		i = space(b, i+1)
		if end, err = valueEnd(b, i); err != nil {
			return nil, err
		}
		all = append(all, entry{name: name, value: b[i:end:end]})
		if i = space(b, end); i < len(b) && b[i] == ',' {
			i = space(b, i+1)
		}
	}
	if i >= len(b) {
		return nil, errNotJSON
	}
	return all, nil
}

// elements lists the items of a list.
func elements(b []byte) ([][]byte, error) {
	if !isList(b) {
		return nil, errNotJSON
	}
	var all [][]byte
	i := space(b, 1)
	for i < len(b) && b[i] != ']' {
		end, err := valueEnd(b, i)
		if err != nil {
			return nil, err
		}
		all = append(all, b[i:end:end])
		if i = space(b, end); i < len(b) && b[i] == ',' {
			i = space(b, i+1)
		}
	}
	if i >= len(b) {
		return nil, errNotJSON
	}
	return all, nil
}

func unquote(b []byte) (string, error) {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1]), nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return "", errNotJSON
	}
	return s, nil
}

// appendQuoted writes a string as JSON.
func appendQuoted[T string | []byte](b []byte, s T) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			// The error would be about bytes that are not UTF-8; like any Go encoder
			// we write U+FFFD for them.
			b, _ = jsontext.AppendQuote(b, s)
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
