package yamlerror

import (
	"fmt"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// What an excerpt shows: enough to see the list or mapping in which a line is, and
// no more than fits on a screen beside other errors.
const (
	linesBefore = 3
	linesAfter  = 2
	maxLine     = 120
)

// Excerpt returns the lines around one of a text, which counts from 1, each with its
// number, and the line itself marked: a screenful that begins with a line break. It is
// empty when there is no such line.
func Excerpt(text string, line int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	first, last := max(line-linesBefore, 1), min(line+linesAfter, len(lines))
	width := len(fmt.Sprint(last))
	var out strings.Builder
	for n := first; n <= last; n++ {
		mark := " "
		if n == line {
			mark = ">"
		}
		out.WriteString(strings.TrimRight(fmt.Sprintf("\n  %s %*d | %s", mark, width, n, cut.Line(lines[n-1], maxLine)), " "))
	}
	return out.String()
}
