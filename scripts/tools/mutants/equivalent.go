package main

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// An equivalent is a change that no test can notice.
type equivalent struct {
	File, Before, After string
	Reason              string
	Place               string // where the list says so
}

func (e equivalent) describes(m mutant) bool {
	return e.File == m.File && e.Before == m.Before && e.After == m.After
}

// parseEquivalents reads the list: entries separated by empty lines, each with
// the file, the line before and after the change, and the reason. The line's
// text finds the place, not its number, so that other edits leave the entry
// alone. Lines that begin with # are comments.
//
//	pkg/example/example.go
//	- for i := 0; i < len(list); i++ {
//	+ for i := 0; i <= len(list); i++ {
//	The loop has returned before.
func parseEquivalents(name, text string) ([]equivalent, error) {
	var list []equivalent
	var entry []string
	begin := 0
	end := func() error {
		if len(entry) == 0 {
			return nil
		}
		place := fmt.Sprintf("%s:%d", name, begin)
		if len(entry) < 4 || !strings.HasPrefix(entry[1], "- ") || !strings.HasPrefix(entry[2], "+ ") {
			return fmt.Errorf("%s: want a file, a line after \"- \", a line after \"+ \" and a reason, got %q", place, entry)
		}
		list = append(list, equivalent{
			File: entry[0], Before: entry[1][2:], After: entry[2][2:],
			Reason: strings.Join(entry[3:], " "), Place: place,
		})
		entry = nil
		return nil
	}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			if err := end(); err != nil {
				return nil, err
			}
		default:
			if len(entry) == 0 {
				begin = i + 1
			}
			entry = append(entry, line)
		}
	}
	return list, end()
}

// checkEquivalents returns what is wrong with the list: entries about lines
// that no file has. That costs no test run, so it is done for all packages.
func checkEquivalents(list []equivalent, module fs.FS) []string {
	var wrong []string
	for _, e := range list {
		source, err := fs.ReadFile(module, e.File)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v: remove the entry", e.Place, err))
			continue
		}
		lines := strings.Split(string(source), "\n")
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.TrimSpace(line) == e.Before }) {
			wrong = append(wrong, fmt.Sprintf("%s: %s has no line %q any more: remove the entry", e.Place, e.File, e.Before))
		}
	}
	return wrong
}

// ofPackage returns the entries about files in dir.
func ofPackage(list []equivalent, dir string) []equivalent {
	var these []equivalent
	for _, e := range list {
		if path.Dir(e.File) == dir {
			these = append(these, e)
		}
	}
	return these
}
