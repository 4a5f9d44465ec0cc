// Package cut shortens text that others have written, a pod's author above all, for
// messages, warnings, traces and logs. What it returns is valid UTF-8 of one line, so
// that neither the length nor the content of the text can harm whoever reads it.
package cut

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const mark = "..."

// Line returns at most a number of bytes of a text, cut at the boundary of a
// character and marked with dots. Line breaks and other control characters become
// spaces, what is not UTF-8 is left out.
func Line(s string, most int) string {
	if len(s) > most {
		most = max(most, 0)
		dots := mark[:min(len(mark), most)]
		return plain(s[:most-len(dots)]) + dots
	}
	return plain(s)
}

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// Quote returns a text in quotes, as the verb %q has it, of which at most a number
// of bytes are shown.
func Quote(s string, most int) string {
	if len(s) <= most {
		return strconv.Quote(s)
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return strconv.Quote(s[:most]) + mark
}

// Lines is Line for a text of several lines, which stay lines. A text that is cut says
// so at its end, in some bytes more.
func Lines(s string, most int) string {
	end := ""
	if len(s) > most {
		s, end = strings.ToValidUTF8(s[:max(most, 0)], ""), mark+" (cut)"
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = plain(line)
	}
	return strings.Join(lines, "\n") + end
}
