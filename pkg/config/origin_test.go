package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// styled returns a file in which a text is the value of templates.sidecar, in one of
// the ways in which YAML writes texts.
func styled(t *testing.T, text string, style yaml.Style) []byte {
	t.Helper()
	scalar := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: style}
	inner := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "sidecar"}, scalar}}
	file, err := yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Value: "first", HeadComment: "a comment"},
		{Kind: yaml.ScalarNode, Value: "é"},
		{Kind: yaml.ScalarNode, Value: "templates"},
		inner,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func valueOf(t *testing.T, file []byte) *yaml.Node {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(file, &doc); err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	top := doc.Content[0].Content
	return resolve(top[len(top)-1].Content[1])
}

// checkPlaces compares every character of a value that is no blank with the one in the
// file at the place where it is said to stand.
func checkPlaces(t *testing.T, file string, value string, place func(line, column int) Place) {
	t.Helper()
	lines := strings.Split(file, "\n")
	for l, text := range strings.Split(value, "\n") {
		for c, r := range []rune(text) {
			if unicode.IsSpace(r) {
				continue
			}
			p := place(l+1, c+1)
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > len([]rune(lines[p.Line-1])) {
				t.Fatalf("%q at %d:%d is said to be at %s, which is not in\n%s", r, l+1, c+1, p, file)
			}
			if got := []rune(lines[p.Line-1])[p.Column-1]; got != r && got != '\\' {
				t.Fatalf("%q at %d:%d is said to be at %s, where %q is, in\n%s", r, l+1, c+1, p, got, file)
			}
		}
	}
}

// Wherever and however a text is written in a YAML file, each of its characters is
// found there.
func TestOriginsOfTexts(t *testing.T) {
	texts := []string{
		"spec:\n  containers:\n  - name: a\n    image: {{ .x }}\n",
		"\n\n  spec: {}\nlast", "one", "é: \"ü\" 'x' \\ {{ \"a\" }}\n\tb\n", "a b\nc\n\n\nd e\n  f\n", "ends in blanks  \nx: 1\n",
		strings.Repeat("long words in a long line ", 20) + "\nnext\n",
	}
	styles := map[string]yaml.Style{"literal": yaml.LiteralStyle, "folded": yaml.FoldedStyle, "double": yaml.DoubleQuotedStyle, "single": yaml.SingleQuotedStyle, "any": 0}
	for name, style := range styles {
		for i, text := range texts {
			t.Run(fmt.Sprintf("%s %d", name, i), func(t *testing.T) {
				file := styled(t, text, style)
				n := valueOf(t, file)
				checkPlaces(t, string(file), n.Value, NodeOrigin("f", string(file), n).Place)
			})
		}
	}
	for i, text := range texts {
		t.Run(fmt.Sprintf("json %d", i), func(t *testing.T) {
			file, err := json.MarshalIndent(map[string]any{"templates": map[string]string{"sidecar": text}}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			checkPlaces(t, string(file), text, NodeOrigin("f", string(file), valueOf(t, file)).Place)
		})
	}
}

// What other tools than our own write.
func TestOriginsOfTextsByHand(t *testing.T) {
	for name, value := range map[string]string{
		"an indentation that is said":     "|2-\n      a: {{ x }}\n    b\n",
		"blank lines first":               "|\n\n\n    a: {{ x }}\n    b: c\n",
		"an anchor and a tag":             "&a !!str \"a: {{ x }}\"\n",
		"an anchor, the text below":       "&a\n    'a: {{ x }}'\n",
		"a plain text of several lines":   "a {{ x }}\n    b c\n\n    d\n",
		"in quotes, of several lines":     "\"a {{ x }}\\n\n    \\  b \\x41\\u00e9 \\\n    c\"\n",
		"in single quotes, several lines": "'a ''b''\n    c\n\n    d'\n",
		"folded, with lines indented":     ">-\n    a\n    b\n\n      c\n      d\n    e\n",
		"a comment after the mark":        "| # text\n    a: {{ x }}\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := "templates:\n  sidecar: " + value
			n := valueOf(t, []byte(file))
			checkPlaces(t, file, n.Value, NodeOrigin("f", file, n).Place)
		})
	}
}

// A file may be a value of another one, which is what its reader has.
func TestOriginsWithin(t *testing.T) {
	inner := "policy: enabled\ntemplates:\n  sidecar: |\n    a: {{ x }}\n"
	file := styled(t, inner, yaml.LiteralStyle)
	outer := NodeOrigin("values.yaml", string(file), valueOf(t, file))
	source := Source{Name: "rendered", Data: []byte(inner), Origins: func(path string) (Origin, bool) { return outer, path == "" }}
	c, err := Parse(Sources{Inject: source})
	if err != nil {
		t.Fatal(err)
	}
	checkPlaces(t, string(file), c.Templates["sidecar"], c.TemplateOrigins["sidecar"].Place)
	source.Data = []byte(strings.Replace(inner, "enabled", "ENABLED", 1))
	if _, err = Parse(Sources{Inject: source}); err == nil || !strings.HasPrefix(err.Error(), "values.yaml:5:17: policy: invalid value") {
		t.Errorf("error %v, want one at the policy, in\n%s", err, file)
	}
}

// A text that was made of several files: each field has the place of its own, and a
// field that nobody gave has no line, since there is none to look at.
func TestOriginsByField(t *testing.T) {
	given := map[string]Origin{
		"policy":            ArgumentOrigin("--set policy"),
		"templates.sidecar": FileOrigin("my.yaml"),
		"defaultTemplates":  NodeOrigin("production.yaml", "", &yaml.Node{Kind: yaml.SequenceNode, Line: 7, Column: 3}),
	}
	origins := func(path string) (Origin, bool) {
		o, ok := given[strings.TrimSuffix(path, "[0]")]
		return o, ok
	}
	_, err := Parse(Sources{Inject: Source{Name: "chart x", Origins: origins, Data: []byte("policy: maybe\ndefaultTemplates: [b]\naliases: 7\ntemplates:\n  sidecar: |\n    a\n")}})
	want := "chart x: aliases: found the number 7, but it must be a mapping\n" +
		"--set policy: policy: invalid value \"maybe\", must be \"enabled\" or \"disabled\"\n" +
		"production.yaml:7:3: defaultTemplates[0]: there is no template named \"b\"; templates are sidecar"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	c, err := Parse(Sources{Inject: Source{Name: "chart x", Origins: origins, Data: []byte("policy: enabled\ntemplates:\n  sidecar: |\n    a\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.TemplateOrigins["sidecar"].Place(3, 2).String(); got != "my.yaml:3:2" {
		t.Errorf("the template is at %s", got)
	}
}

func TestPlacesWithoutLines(t *testing.T) {
	for want, got := range map[string]Place{
		"f":              Origin{file: "f"}.Place(3, 4),
		"f:2":            NodeOrigin("f", "a:\n  b: c\n", &yaml.Node{Kind: yaml.ScalarNode, Value: "other", Line: 2, Column: 6}).Place(1, 3),
		"f:3":            FileOrigin("f").Place(3, 0),
		"g":              FileOrigin("g").Place(0, 0),
		"--set-file a.b": ArgumentOrigin("--set-file a.b").Place(1, 2),
	} {
		if got.String() != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
