package merge

import "strings"

// quoted reads a scalar in quotes that ends on its line, and returns where what
// follows it begins.
func (s *scanner) quoted(i, end int) (value string, after int, ok bool) {
	quote := s.text[i]
	i++
	for j := i; j < end; j++ {
		switch c := s.text[j]; {
		case c == '\\' && quote == '"':
			return s.escaped(i, end)
		case c == quote && quote == '\'' && j+1 < end && s.text[j+1] == quote:
			return "", 0, false // a doubled quote: rare enough for the library
		case c == quote:
			return s.text[i:j], j + 1, true
		}
	}
	return "", 0, false
}

// escaped reads the rest of a scalar in double quotes that has escapes in it.
func (s *scanner) escaped(i, end int) (string, int, bool) {
	var b strings.Builder
	b.Grow(end - i)
	for ; i < end; i++ {
		c := s.text[i]
		if c == '"' {
			return b.String(), i + 1, true
		}
		if c != '\\' {
			b.WriteByte(c)
			continue
		}
		if i++; i == end {
			break
		}
		switch s.text[i] {
		case '"', '\\':
			b.WriteByte(s.text[i])
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		default:
			return "", 0, false
		}
	}
	return "", 0, false
}

// resolve says what an unquoted scalar is, where there is no doubt about it.
func (s *scanner) resolve(scalar string) *node {
	switch scalar {
	case "true", "false":
		return s.node(boolean, scalar)
	case "null":
		return s.node(null, "")
	}
	if wholeNumber(scalar) {
		return s.node(number, scalar)
	}
	s.require(textual(scalar) || measured(scalar))
	return s.node(text, scalar)
}

// wholeNumber reports whether it is a number that is written the same in JSON.
func wholeNumber(scalar string) bool {
	const certain = 15 // digits that a float64 holds, whoever reads them
	digits := strings.TrimPrefix(scalar, "-")
	if len(digits) == 0 || len(digits) > certain || digits[0] == '0' && scalar != "0" {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

// textual reports whether it is text for every reader of YAML, 1.1 or 1.2: it
// begins with a letter, as a path or as an option, and is not one of the words.
func textual(scalar string) bool {
	rest := scalar
	for rest != "" && rest[0] == '-' {
		rest = rest[1:]
	}
	rest = strings.TrimPrefix(rest, "./")
	if rest == "" {
		return false
	}
	c := rest[0]
	if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '/' || c == '$') {
		return false
	}
	return len(scalar) > len("false") || !word(scalar)
}

// word reports whether it stands for something else than text to some reader, in
// any spelling.
func word(scalar string) bool {
	for _, w := range [...]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"} {
		if len(w) == len(scalar) && strings.EqualFold(w, scalar) {
			return true
		}
	}
	return false
}

// measured reports whether it is text although it begins with a digit: a number
// with a unit or in parts, as 100m, 15Mi, 30s, 10.0.0.1, 10.0.0.0/8. A letter or
// slash in it that no spelling of a number has, and no date, make it so.
func measured(scalar string) bool {
	if scalar == "" || scalar[0] < '0' || scalar[0] > '9' || len(scalar) > 4 && scalar[4] == '-' {
		return false
	}
	if strings.Count(scalar, ".") > 1 && !strings.ContainsAny(scalar, "-:_ ") {
		return true
	}
	return strings.ContainsAny(scalar, "gGhHjJkKlLmMpPqQrRsSuUvVwW/")
}
