package arch

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shownBy is how SECURITY.md names a test: its directory, and the function or, in
// quotes, the case of a table.
var shownBy = regexp.MustCompile("`([a-z][-a-z0-9/]*) ((?:Test|Fuzz)[A-Za-z0-9]+|\"[^\"`]+\")`")

// Every line of the threat model names tests that there are.
func TestSecurityNamesItsTests(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, mistakes := namedTests(t, string(text))
	for _, m := range mistakes {
		t.Error(m)
	}
	if tests < 50 {
		t.Errorf("only %d tests are named: the tables are not read", tests)
	}
}

// A line without a test, and names of none, must be found.
func TestSecurityMistakesAreFound(t *testing.T) {
	// Put together, so that this file does not hold the name.
	missing := "a case " + "of yesterday"
	text := "| can | what stops it | shown by |\n|---|---|---|\n" +
		"| a | b | nothing |\n" +
		"| a | b | `internal/arch TestSecurityNamesItsTests`, `internal/arch TestOfYesterday` |\n" +
		"| a | b | `internal/nowhere TestSecurityNamesItsTests` |\n" +
		"| a | b | `internal/arch \"" + missing + "\"` |\n"
	tests, mistakes := namedTests(t, text)
	want := []string{
		"no test is named in | a | b | nothing |",
		"internal/arch: no TestOfYesterday",
		"internal/nowhere: no TestSecurityNamesItsTests",
		"internal/arch: no \"" + missing + "\"",
	}
	if tests != 4 || !slices.Equal(mistakes, want) {
		t.Errorf("%d tests, mistakes\n%s\nwant 4 and\n%s", tests, strings.Join(mistakes, "\n"), strings.Join(want, "\n"))
	}
}

// namedTests counts the tests named in the tables of a text, and says which lines
// name none and which tests are not there.
func namedTests(t *testing.T, text string) (tests int, mistakes []string) {
	t.Helper()
	sources := map[string]string{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| can |") {
			continue
		}
		named := shownBy.FindAllStringSubmatch(line, -1)
		if len(named) == 0 {
			mistakes = append(mistakes, "no test is named in "+strings.TrimSpace(line))
		}
		for _, n := range named {
			tests++
			dir, name := n[1], n[2]
			if _, read := sources[dir]; !read {
				sources[dir] = testSources(t, dir)
			}
			want := name // a case stands in quotes in its source too
			if !strings.HasPrefix(name, `"`) {
				want = "\nfunc " + name + "("
			}
			if !strings.Contains(sources[dir], want) {
				mistakes = append(mistakes, dir+": no "+name)
			}
		}
	}
	return tests, mistakes
}

// testSources are the test files of a directory, one after the other.
func testSources(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(path.Join("../..", dir))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(path.Join("../..", dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n" + string(text))
	}
	return all.String()
}
