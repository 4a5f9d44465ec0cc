package main

import (
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestParseEquivalents(t *testing.T) {
	text, err := os.ReadFile("testdata/equivalent.txt")
	if err != nil {
		t.Fatal(err)
	}
	// A second entry, without an empty line at the end.
	list, err := parseEquivalents("list", string(text)+"\na.go\n- x\n+ y\nNobody asks.")
	want := []equivalent{
		{
			File:   "example.go",
			Before: "if len(list) > most { // the boundary cannot make a difference",
			After:  "if len(list) >= most { // the boundary cannot make a difference",
			Reason: "Cutting three to three changes nothing.",
			Place:  "list:3",
		},
		{File: "a.go", Before: "x", After: "y", Reason: "Nobody asks.", Place: "list:9"},
	}
	if err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("got %+v, %v", list, err)
	}
	for name, text := range map[string]string{
		"no reason": "a.go\n- x\n+ y\n",
		"no change": "\n\na.go\n- x\nreason\nreason\n",
		"no line":   "a.go\n+ y\n- x\nreason",
	} {
		if _, err := parseEquivalents("list", text); err == nil || !strings.HasPrefix(err.Error(), "list:") {
			t.Errorf("%s: got %v, want an error that names the place", name, err)
		}
	}
}

func TestEntriesThatAreNotTrueAnyMore(t *testing.T) {
	list := []equivalent{
		{File: "example.go", Before: "return a - b", After: "return a + b", Place: "list:1"},
		{File: "example.go", Before: "return b - a", After: "return b + a", Place: "list:6"},
		{File: "gone.go", Before: "return b - a", After: "return b + a", Place: "list:11"},
	}
	wrong := strings.Join(checkEquivalents(list, os.DirFS("testdata/example")), "\n")
	for i, want := range []string{"list:1:", `list:6: example.go has no line "return b - a" any more`, "list:11: open gone.go"} {
		if strings.Contains(wrong, want) != (i > 0) {
			t.Errorf("about entry %d: got\n%s", i+1, wrong)
		}
	}

	m := mutant{File: "example.go", Before: "return a - b", After: "return a + b"}
	for name, tc := range map[string]struct {
		verdicts []verdict
		want     string // what the report says is wrong with the entry
	}{
		"no test notices":          {[]verdict{survived}, ""},
		"a test notices":           {[]verdict{killed}, "list:1: a test notices"},
		"the time limit notices":   {[]verdict{timedOut}, "list:1: a test notices"},
		"there is no such change":  {nil, "list:1: no change makes"},
		"it does not compile":      {[]verdict{notCompiled}, "list:1: no change makes"},
		"one of two lines is such": {[]verdict{killed, survived}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := report{Package: ".", Equivalents: list[:1]}
			for _, v := range tc.verdicts {
				r.add(m, v, io.Discard)
			}
			wrong := strings.Join(r.wrong(), "\n")
			if tc.want == "" && wrong != "" || !strings.HasPrefix(wrong, tc.want) {
				t.Errorf("got %q, want %q", wrong, tc.want)
			}
		})
	}
}

func TestOfPackage(t *testing.T) {
	list := []equivalent{{File: "pkg/a/a.go"}, {File: "pkg/a/b/b.go"}, {File: "pkg/ab/a.go"}}
	if got := ofPackage(list, "pkg/a"); len(got) != 1 || got[0].File != "pkg/a/a.go" {
		t.Errorf("got %+v", got)
	}
}

func TestTheLineSaysWhatIsNotCounted(t *testing.T) {
	r := report{Package: "pkg/a"}
	if got := r.line(); got != "mutants: package pkg/a killed 0 of 0" || r.percent() != 100 {
		t.Errorf("nothing to change: %q, %v %%", got, r.percent())
	}
	for _, v := range []verdict{killed, killed, timedOut, survived, notCompiled} {
		r.add(mutant{}, v, io.Discard)
	}
	if got := r.line(); got != "mutants: package pkg/a killed 3 of 4 (1 of these by the time limit, 1 that do not compile)" || r.percent() != 75 {
		t.Errorf("got %q, %v %%", got, r.percent())
	}
}
