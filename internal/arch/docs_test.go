package arch

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tableOf returns the packages of the table in ARCHITECTURE.md, as import paths
// below the module: a name without a slash is one of pkg.
func tableOf(markdown string) []string {
	_, section, _ := strings.Cut(markdown, "\n## Packages")
	section, _, _ = strings.Cut(section, "\n## ")
	var packages []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			name := m[1]
			if !strings.Contains(name, "/") {
				name = "pkg/" + name
			}
			packages = append(packages, name)
		}
	}
	return packages
}

func TestArchitectureNamesThePackages(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	inTable := tableOf(string(text))
	for i, p := range inTable {
		if p == "cmd/*" {
			continue
		}
		if _, ok := mayImport[p]; !ok {
			t.Errorf("the table in ARCHITECTURE.md names %s, which has no line in mayImport", p)
		}
		if slices.Contains(inTable[:i], p) {
			t.Errorf("the table in ARCHITECTURE.md names %s twice", p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(mayImport)) {
		if !slices.Contains(inTable, p) {
			t.Errorf("the table in ARCHITECTURE.md does not name %s", p)
		}
	}
}

func TestTableIsRead(t *testing.T) {
	const markdown = "# A\n| `no` |\n\n## Packages, and more\n\n| layer | packages | know |\n|---|---|---|\n| pure | `a` `b` | `not this` |\n| x | `internal/c` | y |\n\n`nor this`\n\n## Next\n| x | `d` | y |\n"
	if got, want := tableOf(markdown), []string{"pkg/a", "pkg/b", "internal/c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEveryPublicPackageIsDocumented asks of each package that others may import
// for a doc.go with links, and for an example that go test runs.
func TestEveryPublicPackageIsDocumented(t *testing.T) {
	for _, p := range list(t, "./pkg/...") {
		if strings.Contains(p.ImportPath, "/internal/") {
			continue
		}
		fset := token.NewFileSet()
		sources, tests := parse(t, fset, p.Dir, p.GoFiles), parse(t, fset, p.Dir, append(p.TestGoFiles, p.XTestGoFiles...))
		for _, missing := range undocumented(t, fset, p.ImportPath, sources, tests) {
			t.Errorf("%s %s", p.ImportPath, missing)
		}
	}
}

// undocumented says what a package's documentation lacks.
func undocumented(t *testing.T, fset *token.FileSet, importPath string, sources, tests map[string]*ast.File) (missing []string) {
	t.Helper()
	for name, f := range sources {
		if f.Doc != nil && name != "doc.go" {
			missing = append(missing, "has a package comment in "+name+", which belongs to doc.go")
		}
	}
	if !slices.ContainsFunc(doc.Examples(slices.Collect(maps.Values(tests))...), func(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput }) {
		missing = append(missing, "has no Example with an output, so go test runs none")
	}
	// Last, because looking for links changes the syntax trees.
	if f := sources["doc.go"]; f == nil || f.Doc == nil {
		missing = append(missing, "has no doc.go with a package comment")
	} else if !hasLink(t, fset, importPath, sources) {
		missing = append(missing, "has no link to an identifier, like [Type], in its package comment")
	}
	return missing
}

// hasLink reports whether the package comment links to a Go identifier.
func hasLink(t *testing.T, fset *token.FileSet, importPath string, sources map[string]*ast.File) bool {
	t.Helper()
	p, err := doc.NewFromFiles(fset, slices.Collect(maps.Values(sources)), module+importPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range p.Parser().Parse(p.Doc).Content {
		var texts []comment.Text
		switch b := block.(type) {
		case *comment.Paragraph:
			texts = b.Text
		case *comment.List:
			for _, item := range b.Items {
				for _, content := range item.Content {
					if paragraph, ok := content.(*comment.Paragraph); ok {
						texts = append(texts, paragraph.Text...)
					}
				}
			}
		}
		for _, text := range texts {
			if _, ok := text.(*comment.DocLink); ok {
				return true
			}
		}
	}
	return false
}

func parse(t *testing.T, fset *token.FileSet, dir string, names []string) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	for _, name := range names {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = f
	}
	return files
}

func TestMissingDocumentationIsFound(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("doc.go", "// Package a has [T].\npackage a\n")
	write("bare.go", "package a\n\n// T is a type.\ntype T int\n")
	write("second.go", "// Package a again.\npackage a\n")
	write("a_test.go", "package a\n\nfunc Example() {\n\t// Output:\n\t// x\n}\n")
	write("silent_test.go", "package a\n\nfunc Example() {}\n")
	write("nolink.go", "// Package a links nothing.\npackage a\n")
	fset := token.NewFileSet()
	for _, tt := range []struct {
		sources, tests []string
		want           []string
	}{
		{[]string{"doc.go", "bare.go"}, []string{"a_test.go"}, nil},
		{[]string{"doc.go", "bare.go"}, []string{"silent_test.go"}, []string{"has no Example"}},
		{[]string{"doc.go", "bare.go", "second.go"}, []string{"a_test.go"}, []string{"second.go"}},
		{[]string{"bare.go"}, nil, []string{"has no Example", "no doc.go"}},
	} {
		got := undocumented(t, fset, "pkg/a", parse(t, fset, dir, tt.sources), parse(t, fset, dir, tt.tests))
		if len(got) != len(tt.want) {
			t.Errorf("%q: got %q, want %q", tt.sources, got, tt.want)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], tt.want[i]) {
				t.Errorf("%q: got %q, want %q", tt.sources, got, tt.want)
			}
		}
	}
	noLink := map[string]*ast.File{"doc.go": parse(t, fset, dir, []string{"nolink.go"})["nolink.go"]}
	if got := undocumented(t, fset, "pkg/a", noLink, parse(t, fset, dir, []string{"a_test.go"})); len(got) != 1 || !strings.Contains(got[0], "no link") {
		t.Errorf("without a link: %q", got)
	}
}
