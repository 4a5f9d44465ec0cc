package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What gremlins 0.6.0 wrote about testdata/example.
const golden = "testdata/gremlins.json"

func TestMutantsAreReadFromTheOutputOfGremlins(t *testing.T) {
	output, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := parseMutants(output, os.DirFS("testdata"), "example")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range mutants {
		got = append(got, m.String())
	}
	want := `example/example.go:7:15 CONDITIONALS_BOUNDARY: if len(list) >= most { // the boundary cannot make a difference
example/example.go:7:15 CONDITIONALS_NEGATION: if len(list) <= most { // the boundary cannot make a difference
example/example.go:15:17 ARITHMETIC_BASE: return "hello" - name
example/example.go:20:11 ARITHMETIC_BASE: return a + b
example/example.go:26:16 CONDITIONALS_BOUNDARY: for i := 0; i <= n; i++ {
example/example.go:26:16 CONDITIONALS_NEGATION: for i := 0; i >= n; i++ {
example/example.go:26:22 INCREMENT_DECREMENT: for i := 0; i < n; i-- {
example/unused.go:4:37 CONDITIONALS_NEGATION: func Same(a, b int) bool { return a != b }`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	for _, m := range mutants {
		source, err := os.ReadFile(filepath.Join("testdata", m.File))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(m.Source, []byte("\n")) != bytes.Count(source, []byte("\n")) || !bytes.Contains(m.Source, []byte(m.After)) || bytes.Contains(m.Source, []byte(m.Before)) {
			t.Errorf("%s: the file with the change is\n%s", m, m.Source)
		}
	}
}

func TestOutputOfGremlinsThatIsNotUnderstood(t *testing.T) {
	of := func(kind string, line, column int) string {
		return fmt.Sprintf(`{"files":[{"file_name":"example.go","mutations":[{"type":%q,"line":%d,"column":%d}]}]}`, kind, line, column)
	}
	for name, tc := range map[string]struct{ output, want string }{
		"not JSON":        {"Starting...", "output of gremlins"},
		"unknown kind":    {of("REMOVE_TESTS", 7, 15), `no operator that a change of the kind "REMOVE_TESTS" is known for`},
		"no operator":     {of("CONDITIONALS_BOUNDARY", 7, 1), "example/example.go:7:1: no operator"},
		"no such line":    {of("CONDITIONALS_BOUNDARY", 700, 1), "example/example.go:700:1: the file has no such place"},
		"no such column":  {of("CONDITIONALS_BOUNDARY", 7, 700), "no such place"},
		"no line at all":  {of("CONDITIONALS_BOUNDARY", 0, 1), "no such place"},
		"no such file":    {strings.Replace(of("CONDITIONALS_BOUNDARY", 7, 15), "example.go", "other.go", 1), "other.go"},
		"no column given": {of("CONDITIONALS_BOUNDARY", 7, 0), "no such place"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseMutants([]byte(tc.output), os.DirFS("testdata"), "example"); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error that says %q", err, tc.want)
			}
		})
	}
}

// example makes a module of testdata/example below git, and a program that
// writes what gremlins found there; it returns the program and the list of
// equivalents.
func example(t *testing.T) (gremlins, equivalents string) {
	t.Helper()
	output, err := filepath.Abs(golden)
	if err != nil {
		t.Fatal(err)
	}
	if equivalents, err = filepath.Abs("testdata/equivalent.txt"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/example")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("git", "-C", dir, "init", "--quiet").CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	gremlins = filepath.Join(t.TempDir(), "gremlins")
	script := fmt.Sprintf("#!/bin/sh\nfor a; do case $a in --output=*) cp '%s' \"${a#--output=}\" ;; esac; done\n", output)
	if err := os.WriteFile(gremlins, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	return gremlins, equivalents
}

func TestAPackage(t *testing.T) {
	gremlins, equivalents := example(t)
	tryExample(t, gremlins, equivalents)
}

// Each change is built by itself then, and the verdicts are the same.
func TestAPackageWhoseChangesCannotBeCombined(t *testing.T) {
	gremlins, equivalents := example(t)
	if err := os.WriteFile("names.go", []byte("package example\n\n// mutant has a name that the combined program needs.\nfunc mutant() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tryExample(t, gremlins, equivalents)
}

func tryExample(t *testing.T, gremlins, equivalents string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"--gremlins", gremlins, "--equivalents", equivalents, "--allowance", "3s", "."}, &stdout, &stderr)
	want := `  survived example.go:20:11 ARITHMETIC_BASE: return a + b
  survived unused.go:4:37 CONDITIONALS_NEGATION: func Same(a, b int) bool { return a != b }
mutants: package . killed 4 of 6 (1 of these by the time limit, 1 equivalent, 1 that do not compile)
`
	if stdout.String() != want {
		t.Errorf("got\n%s", stdout.String())
	}
	if want := "mutants: package .: 67 % killed, want 90 %: write a test for each line above, or remove code that is not needed\n"; code != 1 || stderr.String() != want {
		t.Errorf("exit status %d, message %q", code, stderr.String())
	}
	if _, err := os.Stat("mutants.test"); err == nil {
		t.Error("the program of the tests was left in the sources")
	}
}

func TestOnlyWhatMatches(t *testing.T) {
	gremlins, equivalents := example(t)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"--gremlins", gremlins, "--equivalents", equivalents, "--match", `example\.go:(7|20):`, "."}, &stdout, &stderr)
	want := `  survived example.go:20:11 ARITHMETIC_BASE: return a + b
mutants: package . killed 1 of 2 (1 equivalent)
`
	if code != 0 || stdout.String() != want || stderr.Len() > 0 {
		t.Errorf("exit status %d, got\n%s%s", code, stdout.String(), stderr.String())
	}
}

func TestTestsThatFailWithoutAChange(t *testing.T) {
	gremlins, _ := example(t)
	if err := os.WriteFile("broken_test.go", []byte("package example\n\nimport \"testing\"\n\nfunc TestBroken(t *testing.T) { t.Error(\"broken\") }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"--gremlins", gremlins, "."}, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "its tests fail without any change") || stdout.Len() > 0 {
		t.Errorf("exit status %d, got\n%s%s", code, stdout.String(), stderr.String())
	}
}

func TestUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no package":  {nil, 2, "no package"},
		"bad pattern": {[]string{"--match", "(", "./a"}, 2, "--match"},
		"no list":     {[]string{"--equivalents", "testdata/none.txt", "./a"}, 1, "none.txt"},
		"help":        {[]string{"--help"}, 0, "killed 55 of 57"},
		"flag":        {[]string{"--all"}, 2, "not defined: -all"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), tc.args, &stdout, &stderr); code != tc.code || !strings.Contains(stderr.String(), tc.want) {
				t.Errorf("exit status %d, message %q", code, stderr.String())
			}
		})
	}
}
