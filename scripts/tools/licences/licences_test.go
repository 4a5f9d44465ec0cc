package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// This program itself is one whose modules are known.
func TestListOfAProgram(t *testing.T) {
	all, err := find([]string{"."}, []string{"linux/amd64", "darwin/arm64"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"Go standard library and runtime":  {"BSD-3-Clause"},
		"github.com/google/go-licenses/v2": {"Apache-2.0", "BSD-3-Clause"}, // of a part of it
		"github.com/sergi/go-diff":         {"MIT"},
	} {
		i := slices.IndexFunc(all, func(m *module) bool { return m.path == name })
		if i < 0 {
			t.Errorf("%s is not listed", name)
			continue
		}
		if m := all[i]; !slices.Equal(m.licences, want) || !slices.Equal(m.programs, []string{"."}) || len(m.files) == 0 {
			t.Errorf("%s: licences %q in %q, %d files", name, m.licences, m.programs, len(m.files))
		}
	}
	if slices.ContainsFunc(all, func(m *module) bool { return strings.HasPrefix(m.path, "github.com/sidecar-injector/") }) {
		t.Error("the program's own module is listed as somebody else's")
	}
}

func TestCheck(t *testing.T) {
	all := modules{
		{path: "a", version: "v1.0.0", programs: []string{"server"}, licences: []string{"MIT"}},
		{path: "b", version: "v2.0.0", programs: []string{"plugin", "server"}, licences: []string{"MIT", "MPL-2.0"}},
		{path: "c", version: "v3.0.0", programs: []string{"server"}, licences: []string{"GPL-3.0"}},
		{path: "d", version: "v4.0.0", programs: []string{"server"}},
	}
	err := all.check(parseAllowed("# comment\nMIT\nMPL-2.0 plugin # here only\n\n"))
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"module b v2.0.0: licence MPL-2.0 is not allowed in server, only in plugin",
		"module c v3.0.0: licence GPL-3.0 is not allowed",
		"module d v4.0.0: no licence found in it",
	}
	if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if err := all[:1].check(parseAllowed("MIT")); err != nil {
		t.Error(err)
	}
}

func TestEqualTextsAreOne(t *testing.T) {
	all := modules{
		{path: "a", version: "v1.0.0", programs: []string{"p"}, licences: []string{"MIT"}, files: []file{{"LICENSE", "\nMay be used. \r\n\nAs is.\n"}, {"NOTICE", "By A."}}},
		{path: "b", version: "v2.0.0", programs: []string{"p", "q"}, licences: []string{"MIT"}, files: []file{{"x/LICENSE", "May be used.\n\nAs is."}}},
	}
	got := string(all.notices())
	for _, want := range []string{
		"a v1.0.0\n    MIT; in p\nb v2.0.0\n    MIT; in p, q\n",
		"a: LICENSE\nb: x/LICENSE\n" + rule + "\nMay be used.\n\nAs is.\n",
		"a: NOTICE\n" + rule + "\nBy A.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "As is."); n != 1 {
		t.Errorf("the text is there %d times", n)
	}
}

func TestRun(t *testing.T) {
	const rights = "Apache-2.0\nBSD-3-Clause\nISC\nMIT\n"
	dir := t.TempDir()
	allow, out := filepath.Join(dir, "allowed"), filepath.Join(dir, "notices")
	write := func(text string) {
		if err := os.WriteFile(allow, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-allow", allow, "-o", out, "-platforms", "linux/amd64", "."}
	for _, c := range []struct {
		name, allowed string
		args          []string
		status        int
		want          string
	}{
		{"no file yet", rights, append([]string{"-check"}, args...), 1, "make licences-update"},
		{"written", rights, args, 0, "not allowed 0"},
		{"current", rights, append([]string{"-check"}, args...), 0, "not allowed 0"},
		{"one is not allowed", strings.ReplaceAll(rights, "MIT\n", ""), args, 1, "module github.com/sergi/go-diff v1.2.0: licence MIT is not allowed"},
		{"a platform that is none", "MIT\n", []string{"-allow", allow, "-o", out, "-platforms", "linux", "."}, 1, `platform "linux", want such as linux/amd64`},
		{"no program", "MIT\n", []string{"-allow", allow, "-o", out}, 2, "-platforms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(c.allowed)
			var said bytes.Buffer
			if status := run(c.args, &said, &said); status != c.status || !strings.Contains(said.String(), c.want) {
				t.Errorf("status %d, said\n%s\nwant status %d and %q", status, said.String(), c.status, c.want)
			}
		})
	}
	if err := os.WriteFile(out, []byte("of yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(rights)
	if status := run(append([]string{"-check"}, args...), io.Discard, io.Discard); status != 1 {
		t.Errorf("status %d for a list that is not current", status)
	}
}
