package config

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Origin is where a text stands: a file, a value in a YAML file, or an argument of a
// command line. It finds in the file what stands at a line and column of the text.
type Origin struct {
	file string
	// line and column are where the value begins in the file; 0 in a text that has no
	// lines of its own, such as an argument.
	line, column int
	// literal says that each line of the text is one of the file, from line on, with
	// column-1 blanks before it.
	literal bool
	// whole says that the text is the file.
	whole bool
	// raw is the value as it is written in the file and value what it says, where the
	// two are laid out differently: in quotes, or folded.
	raw, value string
	style      yaml.Style
	// outer is where the file itself stands, if it is a value in another one.
	outer *Origin
}

// FileOrigin is a text that is a whole file.
func FileOrigin(file string) Origin {
	return Origin{file: file, line: 1, column: 1, literal: true, whole: true}
}

// ArgumentOrigin is a text that was given on a command line, by a flag that is named
// as it was written.
func ArgumentOrigin(flag string) Origin { return Origin{file: flag} }

// NodeOrigin is the value n in the YAML text of a file.
func NodeOrigin(file, text string, n *yaml.Node) Origin {
	if n == nil {
		return Origin{file: file}
	}
	o := Origin{file: file, line: n.Line, column: n.Column}
	if n.Kind != yaml.ScalarNode {
		return o
	}
	text = from(text, n.Line, n.Column)
	if n.Style&yaml.LiteralStyle != 0 {
		return o.block(text, n.Value)
	}
	rest := withoutProperties(text)
	if n.Style&yaml.FoldedStyle != 0 {
		_, rest, _ = strings.Cut(rest, "\n")
	}
	o.style, o.value = n.Style, n.Value
	if length, ok := aligned(rest, n.Value, n.Style); ok {
		o.raw = strings.Clone(rest[:length])
		lines, column := lineAndColumn(text[:len(text)-len(rest)])
		if lines > 1 {
			o.column = 1
		}
		o.line, o.column = o.line+lines-1, o.column+column-1
	}
	return o
}

// block is the origin of a literal block scalar, which text begins with its mark.
func (o Origin) block(text, value string) Origin {
	_, lines, _ := strings.Cut(text, "\n")
	o.literal = true
	o.line++
	for first := range strings.Lines(value) {
		line, rest, _ := strings.Cut(lines, "\n")
		if lines = rest; strings.TrimSpace(first) == "" {
			continue
		}
		if indent, ok := strings.CutSuffix(strings.TrimRight(line, "\r"), strings.TrimRight(first, "\r\n")); ok {
			o.column = len(indent) + 1
			return o
		}
		break
	}
	return Origin{file: o.file, line: o.line - 1}
}

// within is the origin when the file is itself a value in another one.
func (o Origin) within(outer Origin) Origin {
	if o.outer != nil {
		inner := o.outer.within(outer)
		o.outer = &inner
		return o
	}
	o.outer = &outer
	return o
}

// Start is where the text begins.
func (o Origin) Start() Place {
	return o.outward(Place{o.file, o.line, o.column})
}

// Place is where a line and column of the text, which count from 1, stand; a column
// of 0 stands for the line as a whole, a line of 0 for the text as a whole.
func (o Origin) Place(line, column int) Place {
	switch {
	case o.line == 0:
		return o.outward(Place{File: o.file})
	case line == 0 && o.whole:
		return o.outward(Place{File: o.file})
	case line == 0:
		return o.outward(Place{o.file, o.line, 0})
	case o.literal:
		if column > 0 {
			column += max(o.column, 1) - 1
		}
		return o.outward(Place{o.file, o.line + line - 1, column})
	case o.raw == "":
		return o.outward(Place{o.file, o.line, 0})
	}
	rawLine, rawColumn := o.inRaw(line, max(column, 1))
	if rawLine == 1 {
		rawColumn += o.column - 1
	}
	if column == 0 {
		rawColumn = 0
	}
	return o.outward(Place{o.file, o.line + rawLine - 1, rawColumn})
}

func (o Origin) outward(p Place) Place {
	if o.outer == nil {
		return p
	}
	return o.outer.Place(p.Line, p.Column)
}

// inRaw finds a place of the value in the way it is written: the character there, or
// the next one that is no blank, which folding leaves alone.
func (o Origin) inRaw(line, column int) (rawLine, rawColumn int) {
	before := len(o.value) - len(from(o.value, line, column))
	nth := 0
	for _, r := range o.value[:before] {
		if !unicode.IsSpace(r) {
			nth++
		}
	}
	at := len(o.raw)
	written(o.raw, o.style, func(_ rune, offset, _ int) bool {
		if nth == 0 {
			at = offset
			return false
		}
		nth--
		return true
	})
	return lineAndColumn(o.raw[:at])
}

// aligned finds the end of a value in the text that begins with it, as it is written,
// and reports whether it says what the value says, blanks left aside.
func aligned(text, value string, style yaml.Style) (length int, ok bool) {
	rest := value
	ok = true
	next := func() rune {
		rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
		r, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
		return r
	}
	if strings.TrimSpace(value) == "" {
		return 0, false
	}
	written(text, style, func(r rune, _, end int) bool {
		ok = r == next()
		length = end
		return ok && strings.TrimSpace(rest) != ""
	})
	return length, ok && strings.TrimSpace(rest) == ""
}

// written calls f for each character of a scalar that is no blank, with where it
// begins and ends in the text, until f returns false.
func written(text string, style yaml.Style, f func(r rune, offset, end int) bool) {
	double, single := style&yaml.DoubleQuotedStyle != 0, style&yaml.SingleQuotedStyle != 0
	i := 0
	if double || single {
		i = 1
	}
	for i < len(text) {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case double && r == '\\':
			r, n = escaped(text[i:])
		case double && r == '"', single && r == '\'' && !strings.HasPrefix(text[i:], "''"):
			return
		case single && r == '\'':
			n = 2
		}
		if !unicode.IsSpace(r) && !f(r, i, i+n) {
			return
		}
		i += n
	}
}

// escaped reads an escape sequence of a text in double quotes. What is no character,
// such as an escaped line break, counts as a blank.
func escaped(text string) (r rune, length int) {
	if len(text) < 2 {
		return ' ', len(text)
	}
	digits := 0
	switch c := text[1]; c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '"', '\\', '/':
		return rune(c), 2
	case '0':
		return 0, 2
	case 'a':
		return '\a', 2
	case 'b':
		return '\b', 2
	case 'e':
		return 0x1b, 2
	default: // n, t, r, v, f, N, _, L, P, a blank or a line break
		return ' ', 2
	}
	for _, c := range text[2:min(2+digits, len(text))] {
		r = r<<4 + rune(strings.IndexRune("0123456789abcdef", unicode.ToLower(c)))
	}
	return r, min(2+digits, len(text))
}

// withoutProperties returns a text without the anchor and tag that it begins with.
func withoutProperties(text string) string {
	for text != "" && (text[0] == '&' || text[0] == '!') {
		end := strings.IndexAny(text, " \t\r\n")
		if end < 0 {
			return ""
		}
		text = strings.TrimLeft(text[end:], " \t\r\n")
	}
	return text
}

// from returns a text from a line and column on.
func from(text string, line, column int) string {
	for ; line > 1; line-- {
		_, rest, found := strings.Cut(text, "\n")
		if !found {
			return ""
		}
		text = rest
	}
	for ; column > 1 && text != "" && text[0] != '\n'; column-- {
		_, n := utf8.DecodeRuneInString(text)
		text = text[n:]
	}
	return text
}

// lineAndColumn is the place after a text.
func lineAndColumn(before string) (line, column int) {
	last := strings.LastIndexByte(before, '\n')
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[last+1:]) + 1
}
