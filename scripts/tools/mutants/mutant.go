package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A mutant is one operator changed into another.
type mutant struct {
	File         string // from the module's root, with slashes
	Line, Column int    // from 1, the column in bytes
	Kind         string // as gremlins names it
	Before       string // the line without the blanks around it
	After        string // the same with the change
	Source       []byte // the whole file with the change
	Number       int    // in the combined program; 0 for a change that is not in it
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d:%d %s: %s", m.File, m.Line, m.Column, m.Kind, m.After)
}

// changes holds what gremlins makes of which operator, by kind: those that it
// enables by default. The longer operators come first, because the source is
// compared with each.
var changes = map[string][][2]string{
	"ARITHMETIC_BASE":       {{"+", "-"}, {"-", "+"}, {"*", "/"}, {"/", "*"}, {"%", "*"}},
	"CONDITIONALS_BOUNDARY": {{"<=", "<"}, {">=", ">"}, {"<", "<="}, {">", ">="}},
	"CONDITIONALS_NEGATION": {{"==", "!="}, {"!=", "=="}, {"<=", ">"}, {">=", "<"}, {"<", ">="}, {">", "<="}},
	"INCREMENT_DECREMENT":   {{"++", "--"}, {"--", "++"}},
	"INVERT_NEGATIVES":      {{"-", "+"}},
}

// parseMutants reads what `gremlins unleash --dry-run --output` wrote about the
// package in dir, a folder of module. Changes that give the same text are one:
// gremlins takes a difference for arithmetic and for a negative number too.
func parseMutants(output []byte, module fs.FS, dir string) ([]mutant, error) {
	var found struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type         string `json:"type"`
				Line, Column int
			}
		}
	}
	if err := json.Unmarshal(output, &found); err != nil {
		return nil, fmt.Errorf("output of gremlins: %w", err)
	}
	var mutants []mutant
	for _, file := range found.Files {
		name := path.Join(dir, file.Name)
		source, err := fs.ReadFile(module, name)
		if err != nil {
			return nil, err
		}
		for _, at := range file.Mutations {
			m, err := change(source, mutant{File: name, Line: at.Line, Column: at.Column, Kind: at.Type})
			if err != nil {
				return nil, err
			}
			mutants = append(mutants, m)
		}
	}
	slices.SortFunc(mutants, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, cmp.Compare(a.Kind, b.Kind))
	})
	return slices.CompactFunc(mutants, func(a, b mutant) bool {
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.After == b.After
	}), nil
}

// change fills in what m, a place and a kind, makes of source.
func change(source []byte, m mutant) (mutant, error) {
	lines := bytes.SplitAfter(source, []byte("\n"))
	if m.Line < 1 || m.Line > len(lines) || m.Column < 1 || m.Column > len(lines[m.Line-1]) {
		return m, fmt.Errorf("%s:%d:%d: the file has no such place", m.File, m.Line, m.Column)
	}
	line := string(lines[m.Line-1])
	head, tail := line[:m.Column-1], line[m.Column-1:]
	for _, c := range changes[m.Kind] {
		rest, ok := strings.CutPrefix(tail, c[0])
		if !ok {
			continue
		}
		after := head + c[1] + rest
		m.Before, m.After = strings.TrimSpace(line), strings.TrimSpace(after)
		m.Source = slices.Concat(bytes.Join(lines[:m.Line-1], nil), []byte(after), bytes.Join(lines[m.Line:], nil))
		return m, nil
	}
	return m, fmt.Errorf("%s:%d:%d: no operator that a change of the kind %q is known for", m.File, m.Line, m.Column, m.Kind)
}
