package functions

import (
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
)

const (
	// maxPattern is the length of a regular expression.
	maxPattern = 4 << 10
	// maxProgram is how many states a regular expression may have: x{1000} has a
	// thousand, for each of which a text is compared.
	maxProgram = 10_000
	// maxMatching bounds what matching may cost: states of the expression times
	// bytes of the text, for each place from which the rest is searched again. It is
	// reached in less than a second. Names and images of a thousand bytes stay far
	// below it.
	maxMatching = 32 << 20
	// plainMatching is what need not be looked at more closely.
	plainMatching = 1 << 20
)

// matching wraps a function of sprig that takes a regular expression, its first
// argument, and a text, its second. all says that it looks for every match.
func matching(f any, all bool) any {
	inner := reflect.ValueOf(bounded(f))
	return reflect.MakeFunc(inner.Type(), func(args []reflect.Value) []reflect.Value {
		m := pattern{text: args[0].String(), all: all}
		subject := args[1].String()
		found := m.limit(subject)
		if inner.Type().NumIn() == 3 && args[2].Kind() == reflect.String { // what a match is replaced with
			limitProduct(found, args[2].Len())
			limitProduct(len(subject), strings.Count(args[2].String(), "$"))
		}
		return inner.Call(args)
	}).Interface()
}

// pattern is a regular expression, and whether every match is looked for.
type pattern struct {
	text string
	all  bool
}

// limit refuses a match that could cost too much. It returns how many matches there
// may be.
func (p pattern) limit(subject string) (matches int) {
	if len(p.text) > maxPattern {
		refuse("a regular expression is longer than %d bytes", maxPattern)
	}
	limitText(subject)
	matches = 1
	tries := 1
	if p.all {
		matches, tries = len(subject)+1, len(subject)+1
	}
	if !strings.Contains(p.text, "{") && (2*len(p.text)+3)*(len(subject)+1)*tries <= plainMatching {
		return matches
	}
	tree, err := syntax.Parse(p.text, syntax.Perl)
	if err != nil {
		return matches // the function says what is wrong
	}
	states, unbounded := extentOf(tree)
	if states > maxProgram {
		refuse("a regular expression has more than %d states", maxProgram)
	}
	limitMatching(states, len(subject)+1)
	if p.all {
		return p.count(subject, states, unbounded)
	}
	return matches
}

// count counts the matches, and refuses them when they cost too much. An expression
// that repeats without end may look at all of the rest for each match, however
// short; any other at most at as many bytes more as it has states.
func (p pattern) count(subject string, states int, unbounded bool) (matches int) {
	re, err := regexp.Compile(p.text)
	if err != nil {
		return len(subject) + 1
	}
	each := states
	if unbounded {
		each = len(subject) + 1
	}
	re.ReplaceAllStringFunc(subject, func(string) string {
		if matches++; matches > maxItems {
			refuse("a regular expression has more than %d matches", maxItems)
		}
		limitMatching(states, each*matches)
		return ""
	})
	return matches
}

func limitMatching(states, bytes int) {
	if states > maxMatching/bytes {
		refuse("matching a regular expression could take more than %d steps: it is too large for the text, or has too many matches in it", maxMatching)
	}
}

// extentOf returns how many states an expression has at most, and whether it repeats
// something without end.
func extentOf(re *syntax.Regexp) (states int, unbounded bool) {
	states = 2 + len(re.Rune)
	if re.Op == syntax.OpCharClass {
		states = 2 // whatever the number of its ranges
	}
	for _, sub := range re.Sub {
		n, endless := extentOf(sub)
		states += n
		unbounded = unbounded || endless
	}
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		unbounded = true
	case syntax.OpRepeat:
		unbounded = unbounded || re.Max < 0
		states *= max(re.Max, re.Min+1, 1)
	}
	// The product of repetitions could overflow; the parser bounds how deep they are.
	return min(states, maxProgram+1), unbounded
}
