package render

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

func TestMeasure(t *testing.T) {
	for text, want := range map[string]extent{
		"":                                   {},
		"no action }} here":                  {},
		"{{ .A }}":                           {1, 2, 0},
		"{{- .A -}}x{{.B}}":                  {2, 6, 0},
		"{{/* {{ if }} */}}{{- /* x */ -}}":  {},
		`{{ "}}" }}{{ '}' }}` + "{{ `}}` }}": {3, 11, 0},
		`{{ "\"}}" }}`:                       {1, 6, 0},
		"{{ if .A }}{{ if .B }}{{ end }}{{ end }}{{ with .A }}{{ end }}":    {6, 26, 2},
		"{{ if .A }}{{ else if .B }}{{ else with .C }}{{ else }}{{ end }}":  {5, 34, 3},
		"{{ if .A }}{{ else if .B }}{{ end }}{{ if .A }}{{ end }}":          {5, 26, 2},
		"{{if(.A)}}{{range $x := .B}}{{define \"x\"}}{{end}}{{end}}{{end}}": {6, 39, 3},
		"{{ iffy }}{{ end }}{{ end }}{{ ranged }}":                          {4, 16, 0},
		"{{ unclosed":     {},
		`{{ "unclosed }}`: {},
	} {
		if got := measure(text, "{{", "}}"); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
	if got, want := measure("[[ if .A ]]{{ no }}[[ end ]]", "[[", "]]"), (extent{2, 8, 1}); got != want {
		t.Errorf("the classic dialect: got %+v, want %+v", got, want)
	}
}

// Each bound lets its last one pass.
func TestBoundsOfATemplate(t *testing.T) {
	rep := strings.Repeat
	for name, tc := range map[string]struct {
		text  func(n int) string
		limit int
		want  string
	}{
		"actions":      {func(n int) string { return rep("{{1}}", n) }, maxActions, "has 20001 actions, more than the 20000"},
		"bytes":        {func(n int) string { return `{{"` + rep("x", n-2) + `"}}` }, maxActionBytes, "has 262145 bytes in its actions"},
		"depth":        {func(n int) string { return rep("{{if 1}}", n) + rep("{{end}}", n) }, maxBlocks, "nested 1001 deep"},
		"alternatives": {func(n int) string { return "{{if 1}}" + rep("{{else if 1}}", n-1) + "{{end}}" }, maxBlocks, "nested 1001 deep"},
		"calls":        {func(n int) string { return "{{ 1" + rep(" | add 1", n-1) + " }}" }, maxCalls, "calls more than 500 functions"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Current(nil).Compile("sidecar", tc.text(tc.limit), config.Origin{}, Limits{}); err != nil {
				t.Errorf("%d: %.200v", tc.limit, err)
			}
			_, err := Current(nil).Compile("sidecar", tc.text(tc.limit+1), config.Origin{}, Limits{})
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) || e.Public() != e.Error() {
				t.Errorf("%d: got %.200v, want %s", tc.limit+1, err, tc.want)
			}
		})
	}
}

func TestCompileEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Current(nil).CompileContext(ctx, "sidecar", "x", config.Origin{}, Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// An execution that makes no round of a loop looks at the clock, too, in both ways
// of executing it.
func TestTheClockIsLookedAtBetweenCalls(t *testing.T) {
	type data struct{ Text string }
	d := &data{strings.Repeat("x", 1<<20)}
	text := strings.Repeat("{{ $x := sha512sum .Text }}", 2000)
	limits := Limits{Time: 20 * 1e6}
	for name, constants := range map[string][]Constants{"text/template": nil, "program": {{Data: &data{}}}} {
		tmpl, err := Current(nil).Compile("sidecar", text, config.Origin{}, limits, constants...)
		if err != nil || len(tmpl.programs) != len(constants) {
			t.Fatalf("%s: %v, %d programs", name, err, len(tmpl.programs))
		}
		_, err = tmpl.Execute(d)
		var limit *LimitError
		if !errors.As(err, &limit) || limit.What != "time" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
