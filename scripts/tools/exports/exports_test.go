package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sources are a module in which each identifier's name says whether it is to be
// found.
var sources = map[string]string{
	"go.mod": "module example.com/m\n\ngo 1.26.0\n",
	"pkg/a/a.go": `package a

type Used struct {
	Field InField
	embedded
	hidden Unused1
}

type embedded struct{}

func (embedded) Method(InArgument) (r InResult) { return }

type (
	InField    int
	InArgument map[string]InMap
	InMap      []InSlice
	InSlice    struct{}
	InResult   func(InFunc)
	InFunc     interface{ M(InInterface) }
	InInterface chan *InChan
	InChan     int
	InAlias    = int
	Unused1    int
	Unused2    struct{ F Unused3 }
	Unused3    int
	Failure    struct{}
	Kind       int
	UnusedKind int
)

func (*Failure) Error() string { return "" }

const (
	First  Kind = 1
	Second Kind = 2
	Unused4     = 3
	Unused5 UnusedKind = 4
)

var ErrOdd error

func Kinds() (Kind, InAlias) { return First, 0 }

func Generic[T Constraint](T) {}

type Constraint interface{ ~int | Term }

type Term string

func UnusedButByItsOwnTests() {}

func UsedByAnotherTest() {}

func UsedWithTag() {}
`,
	"pkg/a/a_test.go":           "package a_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/pkg/a\"\n)\n\nfunc Test(t *testing.T) { a.UnusedButByItsOwnTests() }\n",
	"internal/b/b.go":           "package b\n\nimport \"example.com/m/pkg/a\"\n\nvar _ a.Used\n\nfunc Unused() { a.Kinds(); a.Generic(1) }\n",
	"internal/b/b_test.go":      "package b\n\nimport \"example.com/m/pkg/a\"\n\nvar _ = a.UsedByAnotherTest\n",
	"internal/b/tagged_test.go": "//go:build integration\n\npackage b\n\nimport \"example.com/m/pkg/a\"\n\nvar _ = a.UsedWithTag\n",
	"cmd/c/main.go":             "package main\n\nfunc Exported() {}\n\nfunc main() {}\n",
	"test/d/d.go":               "package d\n\nfunc NotLookedAt() {}\n",
}

func writeModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range sources {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestExports(t *testing.T) {
	dir := writeModule(t)
	problems, err := run(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		_, rest, _ := strings.Cut(p, "example.com/m/")
		name, _, _ := strings.Cut(rest, ":")
		got = append(got, name)
	}
	want := []string{
		"internal/b.Unused", "pkg/a.Unused1", "pkg/a.Unused2", "pkg/a.Unused3", "pkg/a.Unused4", "pkg/a.Unused5",
		"pkg/a.UnusedButByItsOwnTests", "pkg/a.UnusedKind",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !strings.HasPrefix(problems[0], filepath.Join(dir, "internal/b/b.go")+":7:6: ") {
		t.Errorf("the place is not said: %s", problems[0])
	}
}

func TestExceptions(t *testing.T) {
	dir := writeModule(t)
	var text strings.Builder
	text.WriteString("# a comment\n\n")
	for _, name := range []string{"internal/b.Unused", "pkg/a.Unused1", "pkg/a.Unused2", "pkg/a.Unused3", "pkg/a.Unused4", "pkg/a.Unused5", "pkg/a.UnusedButByItsOwnTests", "pkg/a.Used"} {
		text.WriteString("example.com/m/" + name + "  kept for the test\n")
	}
	allow := filepath.Join(dir, "allow.txt")
	if err := os.WriteFile(allow, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	problems, err := run(dir, allow)
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 2 || !strings.Contains(problems[0], "pkg/a.UnusedKind: no other package needs it") || !strings.Contains(problems[1], "pkg/a.Used is an exception, but it is needed") {
		t.Errorf("got %q", problems)
	}
	if _, err := parseAllowed("allow.txt", "a.B reason\na.C \n"); err == nil || err.Error() != "allow.txt:2: a.C has no reason: add one" {
		t.Errorf("got %v", err)
	}
	if _, err := run(dir, filepath.Join(dir, "missing")); err == nil {
		t.Error("a list of exceptions that is not there")
	}
	if err := os.WriteFile(filepath.Join(dir, "pkg/a/broken.go"), []byte("package a\n\nvar X = y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(dir, ""); err == nil || !strings.Contains(err.Error(), "broken.go:3:9") {
		t.Errorf("got %v", err)
	}
}
