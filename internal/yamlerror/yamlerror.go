// Package yamlerror says where a text is not valid YAML, and what to do about it. The
// parser itself tells no column, and often the line of the list or mapping in which
// the mistake is, in place of the mistake's.
package yamlerror

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSearched is the largest text in which the exact place is looked for, in bytes:
// the text is parsed some twenty times for it, 5 ms each at this size. Of larger ones
// the parser's own line is told.
const maxSearched = 128 << 10

// Problem is why a text is not YAML.
type Problem struct {
	// Line and Column are where the parser cannot go on; they count from 1, Column in
	// characters, and 0 when not known.
	Line, Column int
	// Text is what the parser says, and what is usually meant by it. It holds nothing
	// of the text, except for the name of an anchor, which Names tells.
	Text  string
	Names bool
}

// Parse parses a text, and returns the first thing that is wrong with it; nil when
// nothing is.
func Parse(text []byte, into *yaml.Node) *Problem {
	line, message := parse(text, into)
	if message == "" {
		return nil
	}
	p := &Problem{Line: line, Text: message + advice(message), Names: strings.Contains(message, "anchor")}
	if len(text) <= maxSearched {
		p.search(string(text), message)
	}
	return p
}

// parse returns what the parser says of a text, and the line that it names; 1 when it
// names none.
func parse(text []byte, into *yaml.Node) (line int, message string) {
	err := yaml.Unmarshal(text, into)
	if err == nil {
		return 0, ""
	}
	line = 1
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if _, scanErr := fmt.Sscanf(message, "line %d:", &line); scanErr == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	return line, message
}

// search finds the place: the parser stops at the first mistake, so that what stands
// before it fails in another way or not at all, and everything that reaches beyond it
// in the same way.
func (p *Problem) search(text, message string) {
	fails := func(part string) bool {
		_, m := parse([]byte(part), new(yaml.Node))
		return m == message
	}
	lines := strings.SplitAfter(text, "\n")
	ends := make([]int, len(lines))
	end := 0
	for i, l := range lines {
		end += len(l)
		ends[i] = end
	}
	at := sort.Search(len(lines)-1, func(i int) bool { return fails(text[:ends[i]]) })
	before, line := text[:ends[at]-len(lines[at])], strings.TrimRight(lines[at], "\r\n")
	p.Line = at + 1
	indent := len(line) - len(strings.TrimLeft(line, " "))
	p.Column = utf8.RuneCountInString(line[:indent]) + 1
	if strings.HasPrefix(message, "did not find expected key") || strings.HasPrefix(message, "did not find expected '-'") {
		return // it is the indentation
	}
	characters := []rune(line)
	n := sort.Search(len(characters), func(n int) bool { return fails(before + string(characters[:n])) })
	if star := strings.LastIndexByte(string(characters[:n]), '*'); p.Names && star >= 0 {
		n = utf8.RuneCountInString(string(characters[:n])[:star]) + 1
	}
	p.Column = max(min(n, len(characters)), 1)
	if n == len(characters) && !fails(before+line) {
		p.Column = indent + 1
	}
}

// advice is what is usually meant by a message of the parser, and what to do.
func advice(message string) string {
	for beginning, text := range map[string]string{
		"mapping values are not allowed":                 ": a value that holds \": \" must be in quotes, and a key must be indented like those beside it",
		"found character that cannot start any token":    ": a value that begins with @, `, % or a tab must be in quotes, and lines are indented with spaces",
		"found a tab character":                          ": indent with spaces",
		"did not find expected key":                      ": the line must be indented like those beside it, and a key ends in a colon",
		"did not find expected '-' indicator":            ": the items of a list are indented alike, and each begins with \"- \"",
		"could not find expected ':'":                    ": a key ends in a colon and a space",
		"found unexpected end of stream":                 ": a quote that is opened here is not closed",
		"did not find expected ',' or ']'":               ": close the list with ], or put a comma between its items",
		"did not find expected ',' or '}'":               ": close the mapping with }, or put a comma between its items",
		"block sequence entries are not allowed":         ": a list begins on a line of its own, below its key",
		"did not find expected alphabetic or numeric":    ": a value that begins with * or & must be in quotes",
		"did not find expected node content":             ": a value is missing, or begins with a character that must be in quotes",
		"found unknown escape character":                 ": in double quotes a backslash is written twice, or use single quotes",
		"invalid leading UTF-8 octet":                    ": the text must be UTF-8",
		"control characters are not allowed":             ": the text must be without control characters",
		"did not find expected comment or line break":    ": nothing may follow the mark | or > in its line",
		"did not find URI escaped octet":                 ": a value that begins with ! must be in quotes",
		"did not find expected whitespace or line break": ": a value that begins with ! must be in quotes",
	} {
		if strings.HasPrefix(message, beginning) {
			return text
		}
	}
	return ""
}

// Message is what a YAML library says of a text, without the line that it names: few
// read the text itself.
func Message(err error) string {
	message := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: ")
	message = lineOfLibrary.ReplaceAllString(message, "")
	return message + advice(message)
}

// lineOfLibrary is how a library names a line.
var lineOfLibrary = regexp.MustCompile(`^line \d+: `)
