package render

import (
	"fmt"
	"strings"
)

// What a template may hold, and all templates of a configuration together, checked before it is parsed: the parser goes as deep as
// a template is nested, and keeps a hundred bytes for each of its words.
const (
	// maxActions limits the actions, {{ }}, of a template. The largest template of a
	// mesh has 250.
	maxActions = 20_000
	// maxActionBytes limits what stands in them, without comments.
	maxActionBytes = 256 << 10
	// maxBlocks is how deep if, with, range, block and define may be within each
	// other; each else if counts as one more.
	maxBlocks = 1000
	// maxCalls limits the functions, fields and values that one action calls: the time
	// is looked at between actions.
	maxCalls = 500
)

// extent is how much of a template is not plain text.
type extent struct{ actions, bytes, depth int }

// check returns what is beyond a bound; empty when nothing is.
func (e extent) check() string {
	switch {
	case e.actions > maxActions:
		return fmt.Sprintf("has %d actions, more than the %d that a template may have", e.actions, maxActions)
	case e.bytes > maxActionBytes:
		return fmt.Sprintf("has %d bytes in its actions, more than the %d that a template may have", e.bytes, maxActionBytes)
	case e.depth > maxBlocks:
		return fmt.Sprintf("has blocks that are nested %d deep, more than the %d that a template may have", e.depth, maxBlocks)
	}
	return ""
}

// Together returns what is wrong with templates that are each within the bounds and
// together are not.
func Together(templates map[string]*Template) error {
	var sum extent
	for _, t := range templates {
		sum.actions += t.extent.actions
		sum.bytes += t.extent.bytes
	}
	if problem := sum.check(); problem != "" {
		return &Error{Template: "all of them together", Problem: problem, public: true}
	}
	return nil
}

// measure finds the extent of a text. What is no template counts as far as it goes:
// the parser says what is wrong with it.
func measure(text, left, right string) extent {
	var e extent
	// open has, for each block that is open, how deep the parser is within it.
	var open []int
	depth := 0
	for {
		_, rest, found := strings.Cut(text, left)
		if !found {
			return e
		}
		inside, after, ok := action(rest, right)
		text = after
		if !ok {
			return e
		}
		if strings.HasPrefix(inside, "/*") {
			continue
		}
		e.actions++
		e.bytes += len(inside)
		switch words := strings.Fields(inside[:min(len(inside), 40)]); {
		case len(words) == 0:
		case words[0] == "end":
			if n := len(open); n > 0 {
				depth -= open[n-1]
				open = open[:n-1]
			}
		case words[0] == "else":
			if n := len(open); len(words) > 1 && n > 0 {
				depth++
				open[n-1]++
			}
		case opensBlock(words[0]):
			depth++
			open = append(open, 1)
		}
		e.depth = max(e.depth, depth)
	}
}

func opensBlock(word string) bool {
	for _, opening := range []string{"if", "with", "range", "block", "define"} {
		if rest, ok := strings.CutPrefix(word, opening); ok && (rest == "" || !isLetter(rest[0])) {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// action returns what stands between the delimiters of the action with which text
// begins, without the marks that trim blanks, and what comes after it.
func action(text, right string) (inside, after string, ok bool) {
	if trimmed, found := strings.CutPrefix(text, "- "); found {
		text = trimmed
	}
	if strings.HasPrefix(text, "/*") {
		inside, after, ok = strings.Cut(text, "*/")
		return inside, after, ok
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], right):
			return strings.TrimSpace(text[:i]), text[i+len(right):], true
		case c == '"' || c == '\'' || c == '`':
			end := quoted(text[i+1:], c)
			if end < 0 {
				return text, "", false
			}
			i += 1 + end
		}
	}
	return text, "", false
}

// quoted returns where a constant ends that began with the quote; -1 where it does
// not.
func quoted(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == quote:
			return i
		case text[i] == '\\' && quote != '`':
			i++
		}
	}
	return -1
}
