package render

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"text/template"
	"unicode/utf8"
)

// maxSearched is the largest template in which the place of a syntax error is looked
// for, in bytes: it is parsed some twenty times for that, 2 ms each at this size. Of
// larger ones the line alone is told.
const maxSearched = 128 << 10

// syntaxError makes an error of what text/template says about a text that it cannot
// parse, which has a line and no column. The parser stops at the first mistake, so what
// stands before it fails in another way or not at all, and every text that reaches
// beyond it in the same way: the shortest such text ends with the mistake.
func (t *Template) syntaxError(err error) *Error {
	l := t.language
	e := t.message(err)
	if e.Problem, e.public = actionStarted.ReplaceAllString(e.Problem, ""), true; strings.HasPrefix(e.Problem, "function ") {
		e.Problem = l.undefined(e.Problem)
	}
	e.publicProblem = "cannot be parsed"
	if len(t.text) > maxSearched {
		return e
	}
	message := err.Error()
	end := sort.Search(len(t.text), func(n int) bool {
		_, err := l.parse(t.name, t.text[:n])
		return err != nil && err.Error() == message
	})
	start := max(strings.LastIndex(t.text[:end], l.left), 0)
	at := start
	switch opened, block, unclosed := openBlock(t.text, l.left, l.right); {
	case strings.HasPrefix(e.Problem, "unterminated"):
		e.locateAt(t, max(end-1, start))
		return e
	case unclosed >= 0 && end > unclosed:
		e.Problem = "the action that begins here is not closed by " + l.right
		e.publicProblem = "has an action that is not closed"
		e.locateAt(t, unclosed)
		return e
	case strings.HasSuffix(e.Problem, "unexpected EOF") && block != "":
		e.Problem = fmt.Sprintf("the %s %s %s that begins here has no %s end %s", l.left, block, l.right, l.left, l.right)
		e.publicProblem = "has a block without an end"
		e.locateAt(t, opened)
		return e
	}
	if word := quotedWord(e.Problem); word != "" {
		if i := strings.LastIndex(t.text[start:end], word); i >= 0 {
			at += i
		}
	}
	if inside, _, ok := action(t.text[start+len(l.left):], l.right); ok && at == start {
		e.Expression = oneLine(l.left + " " + inside + " " + l.right)
	}
	e.locateAt(t, at)
	return e
}

// actionStarted is where the parser saw an action begin, in lines of the text; the
// place of the error says it.
var actionStarted = regexp.MustCompile(` in action started at .*:\d+$`)

func (l *Language) parse(name, text string) (*template.Template, error) {
	return template.New(name).Delims(l.left, l.right).Funcs(l.funcs).Parse(text)
}

// quotedWord is the first text in quotes in a message of the parser, which is what it
// stumbles over.
func quotedWord(message string) string {
	i := strings.IndexByte(message, '"')
	if i < 0 {
		return ""
	}
	quoted, err := strconv.QuotedPrefix(message[i:])
	if err != nil {
		return ""
	}
	word, _ := strconv.Unquote(quoted)
	return word
}

// openBlock finds the innermost block of a text that is not closed, with its first
// word, and the action that is not; unclosed is -1 when all are.
func openBlock(text, left, right string) (at int, block string, unclosed int) {
	type open struct {
		at   int
		word string
	}
	var blocks []open
	unclosed = -1
	for offset := 0; ; {
		i := strings.Index(text[offset:], left)
		if i < 0 {
			break
		}
		begin := offset + i
		inside, after, ok := action(text[begin+len(left):], right)
		// One that is forgotten to be closed goes on to the end of the next one.
		if !ok || strings.Contains(inside, left) {
			unclosed = begin
			break
		}
		offset = len(text) - len(after)
		switch words := strings.Fields(inside); {
		case len(words) == 0 || strings.HasPrefix(inside, "/*"):
		case words[0] == "end":
			blocks = blocks[:max(len(blocks)-1, 0)]
		case opensBlock(words[0]):
			blocks = append(blocks, open{begin, words[0]})
		}
	}
	if n := len(blocks); n > 0 {
		at, block = blocks[n-1].at, blocks[n-1].word
	}
	return at, block, unclosed
}

// locateAt sets the place to that of an offset in the template.
func (e *Error) locateAt(t *Template, offset int) {
	before := t.text[:offset]
	last := strings.LastIndexByte(before, '\n')
	e.locate(t, strings.Count(before, "\n")+1, utf8.RuneCountInString(before[last+1:])+1)
}

// locate sets the place to that of a line and column of the template; 0 when they are
// not known.
func (e *Error) locate(t *Template, line, column int) {
	e.Place = t.origin.Place(line, column)
	switch {
	case e.File == "":
		e.Line, e.Column = line, column
	case line == 0:
		e.Place = t.origin.Start()
	}
}

// locateExpression sets the place of an expression, of which text/template names the
// line and some byte that belongs to it.
func (e *Error) locateExpression(t *Template, line, byteInLine int) {
	offset := 0
	for range line - 1 {
		i := strings.IndexByte(t.text[offset:], '\n')
		if i < 0 {
			e.locate(t, line, 0)
			return
		}
		offset += i + 1
	}
	e.locateAround(t, min(offset+byteInLine, len(t.text)))
}

// locateAround sets the place to that of the expression at an offset that belongs to
// it: of a chain of fields, text/template gives the second one.
func (e *Error) locateAround(t *Template, at int) {
	end := min(at+len(e.Expression), len(t.text))
	begin := max(at-len(e.Expression), 0)
	if i := strings.LastIndex(t.text[begin:end], e.Expression); i >= 0 && e.Expression != "" {
		at = begin + i
	}
	e.locateAt(t, at)
}
