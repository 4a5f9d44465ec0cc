package yamlerror_test

import (
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/yamlerror"
)

// Each mistake is found where it is, not where the list or mapping begins in which it is.
func TestParse(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"a second colon":          {"a: 1\nb:\n  c: d: e\n", "3:7: mapping values are not allowed in this context: a value that holds"},
		"a tab":                   {"a:\n\tb: c\n", "2:1: found character that cannot start any token"},
		"a tab before a value":    {"a:\n  - b\n  -\tc: d\n\te: f\n", "3:4: found character that cannot start any token"},
		"an odd beginning":        {"a: 1\nimage: @x\n", "2:8: found character that cannot start any token"},
		"indented too little":     {"spec:\n    containers:\n    - name: a\n   image: b\n", "4:4: did not find expected key"},
		"indented too far":        {"a: b\n  c: d\n", "2:4: mapping values are not allowed"},
		"a quote not closed":      {"a: 1\nb: \"x\nc: d\n", "2:4: found unexpected end of stream: a quote that is opened here is not closed"},
		"a bracket not closed":    {"a: [x, y\nb: c\n", "1:8: did not find expected ',' or ']'"},
		"a list in a value":       {"a: - b\n", "1:4: block sequence entries are not allowed in this context"},
		"an item out of line":     {"a:\n  - b\n - c\n", "3:2: did not find expected key"},
		"no colon":                {"a: b\nc\nd: e\n", "2:1: could not find expected ':'"},
		"an escape":               {"a: \"\\d\"\n", "1:5: found unknown escape character"},
		"no such anchor":          {"a: b\nc: *name\n", "2:4: unknown anchor 'name' referenced"},
		"a template not rendered": {"a: 1\nb: {{ .x }}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := find([]byte(tc.text))
			if p == nil {
				if tc.want != "" {
					t.Error("nothing found")
				}
				return
			}
			if got := fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Text); tc.want == "" || !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if p.Names != strings.Contains(p.Text, "'name'") {
				t.Errorf("Names is %v, of %s", p.Names, p.Text)
			}
		})
	}
}

// In a text too large for the search the parser's own line is told.
func TestParseLargeTexts(t *testing.T) {
	text := strings.Repeat("# comment\n", 20_000) + "a: b: c\n"
	if p := find([]byte(text)); p == nil || p.Line != 20_001 || p.Column != 0 {
		t.Errorf("found %+v", p)
	}
	if p := find([]byte("a: b\n")); p != nil {
		t.Errorf("found %+v in what is YAML", p)
	}
}

func TestExcerpt(t *testing.T) {
	text := "one\ntwo\nthree\nfour\nfive\n\nseven\neight\tx\n" + strings.Repeat("é", 200) + "\nten\n"
	want := `
    4 | four
    5 | five
    6 |
  > 7 | seven
    8 | eight x
    9 | ` + strings.Repeat("é", 58) + "..."
	if got := yamlerror.Excerpt(text, 7); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
	if got := yamlerror.Excerpt("a\nb", 1); got != "\n  > 1 | a\n    2 | b" {
		t.Errorf("got%s", got)
	}
	for _, line := range []int{0, 11, -1} {
		if got := yamlerror.Excerpt(text, line); got != "" {
			t.Errorf("line %d: %s", line, got)
		}
	}
}

// Whatever the text is, the place is in it.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"a: b: c", "\t", "\"", "[", "é: [\n\r\n x", "- a\nb", "*a", "%", "\xff", "a:\u2028 b: c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := find([]byte(text))
		if p == nil {
			return
		}
		lines := strings.Split(text, "\n")
		if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > len([]rune(lines[p.Line-1]))+1 {
			t.Errorf("%d:%d is not in %q", p.Line, p.Column, text)
		}
	})
}

func find(text []byte) *yamlerror.Problem { return yamlerror.Parse(text, new(yaml.Node)) }
