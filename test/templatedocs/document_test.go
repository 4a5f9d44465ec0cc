// Package templatedocs writes docs/templates.md, as far as it follows from the code,
// and proves that the document says what the code does.
package templatedocs

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const document = "../../docs/templates.md"

var update = flag.Bool("update", false, "write the generated parts of docs/templates.md anew")

// sections are what stands in the document between <!-- name --> and <!-- /name -->.
func sections() map[string]func(*testing.T) string {
	return map[string]func(*testing.T) string{
		"data":         dataSection,
		"classic data": classicDataSection,
		"functions":    functionsSection,
		"merge keys":   mergeKeysSection,
		"merging":      mergingSection,
		"order":        orderSection,
		"limits":       limitsSection,
		"errors":       errorsSection,
	}
}

func TestDocumentIsUpToDate(t *testing.T) {
	old, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := old
	for _, name := range slices.Sorted(maps.Keys(sections())) {
		if text, err = fill(text, name, sections()[name](t)); err != nil {
			t.Fatal(err)
		}
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(document, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(old, text) {
		t.Errorf("%s is not up to date: %s; run 'make template-docs' and read the difference", document, difference(string(old), string(text)))
	}
}

// fill replaces what stands between the marks of a section.
func fill(text []byte, name, section string) ([]byte, error) {
	begin, end := fmt.Appendf(nil, "<!-- %s -->\n", name), fmt.Appendf(nil, "<!-- /%s -->", name)
	before, rest, ok := bytes.Cut(text, begin)
	_, after, ended := bytes.Cut(rest, end)
	if !ok || !ended {
		return nil, fmt.Errorf("%s has no section %q", document, name)
	}
	return slices.Concat(before, begin, []byte(section), end, after), nil
}

// difference names the first line that differs.
func difference(old, new string) string {
	a, b := strings.Split(old, "\n"), strings.Split(new, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is %q, must be %q", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("it has %d lines, must have %d", len(a), len(b))
}

func TestFillNeedsItsMarks(t *testing.T) {
	for _, text := range []string{"", "<!-- a -->\n", "<!-- /a -->"} {
		if _, err := fill([]byte(text), "a", "x"); err == nil {
			t.Errorf("%q was filled", text)
		}
	}
	if got, err := fill([]byte("1\n<!-- a -->\nold\n<!-- /a -->\n2"), "a", "new\n"); err != nil || string(got) != "1\n<!-- a -->\nnew\n<!-- /a -->\n2" {
		t.Errorf("got %q, %v", got, err)
	}
}

// cell makes text fit into a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "|", `\|`), "\n", " ")
}

// code makes each text code in a table.
func code(texts ...string) string {
	var out []string
	for _, text := range texts {
		out = append(out, "`"+cell(text)+"`")
	}
	return strings.Join(out, ", ")
}

// result shows what a template writes; lines as in Go.
func result(text string) string {
	if message, fails := strings.CutPrefix(text, "an error: "); fails {
		return "an error: " + cell(message)
	}
	return code(strings.ReplaceAll(text, "\n", `\n`))
}

// block is a piece of code of its own.
func block(language, text string) string {
	return "```" + language + "\n" + strings.TrimRight(text, "\n") + "\n```\n"
}
