package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Place is where something stands, for messages.
type Place struct {
	// File is a file's path, namespace/name:key for a ConfigMap, or the flag of a
	// command line.
	File string
	// Line and Column count from 1, Column in characters; 0 when not known.
	Line, Column int
}

// String returns file:line:column, as far as they are known.
func (p Place) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			s += fmt.Sprintf(":%d", p.Column)
		}
	}
	return s
}

// Origins says where the values of a [Source] were given, when its text was made from
// other files, as a chart does: messages name these, because nobody can open the text.
// It returns the origin of the value at a field's path, for example templates.sidecar,
// and false when it was given nowhere. The path "" asks for the whole text, whose
// origin is that of every value in it.
type Origins func(path string) (Origin, bool)

// origin is where a value of the source was given. A value that nobody gave has no
// line: there is none that a reader could open.
func (s Source) origin(path, text string, value *yaml.Node) Origin {
	if s.Origins == nil {
		return NodeOrigin(s.Name, text, value)
	}
	if whole, ok := s.Origins(""); ok {
		return NodeOrigin(s.Name, text, value).within(whole)
	}
	if o, ok := s.Origins(path); ok {
		return o
	}
	return Origin{file: s.Name}
}

// place is where a field stands whose key or value is n; nil when only the path is
// known.
func (s Source) place(path string, n *yaml.Node) Place {
	at := Place{File: s.Name}
	if n != nil {
		at.Line, at.Column = n.Line, n.Column
	}
	if s.Origins == nil {
		return at
	}
	if whole, ok := s.Origins(""); ok {
		return whole.Place(at.Line, at.Column)
	}
	if o, ok := s.Origins(path); ok {
		return o.Start()
	}
	return Place{File: s.Name}
}
