package config

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// What a configuration may hold. A server loads one beside the requests at its
// work, in the same memory, so what loading needs must be bounded like what they
// need: with these bounds it is less than a second and 100 MiB of garbage, most
// of it the YAML parser's (see docs/limits.md).
const (
	// maxSource limits one file, in bytes. A ConfigMap holds at most 1 MiB in all its
	// keys, so whatever is larger did not come from one, and is a mistake.
	maxSource = 1 << 20
	// maxSources limits the three files together, in bytes: what two ConfigMaps hold.
	maxSources = 2 << 20
	// maxMarks limits what may begin a value: commas, brackets and line ends,
	// before anything is parsed. Ordinary files have one for 20 bytes, so that a
	// file of maxSource stays far below; two bytes for a value cost 250 in memory.
	maxMarks = 200_000
	// maxNodes limits the values of a file, when each alias is written out as what it
	// stands for: keys, texts, lists and maps, each as one.
	maxNodes = 100_000
	// maxExpanded limits the bytes of the same.
	maxExpanded = 2 * maxSource
	// maxDepth is how deep values may be within each other. The deepest of the
	// mesh's own configuration is 12.
	maxDepth = 100
	// maxTemplates is twenty times what a mesh brings along. Each costs a table of
	// 250 functions.
	maxTemplates = 200
	// maxName limits the name of a template or alias, in bytes: messages list
	// them. Names in Kubernetes are no longer.
	maxName = 253
	// maxAliases limits the names in aliases and defaultTemplates, all together.
	maxAliases = 1000
	// maxSelectors limits the two lists of selectors together: each is matched with
	// every pod.
	maxSelectors = 1000
	// maxAllowed limits the two allow lists together, for the same reason.
	maxAllowed = 1000
	// maxAnnotations limits the bytes of injectedAnnotations, which is what an API
	// server allows a pod: with more, it refuses every pod.
	maxAnnotations = 256 << 10
	// maxReported is how many errors, and how many notes, of one file are told.
	// The others are counted.
	maxReported = 100
)

// tooLarge reports a text that is not worth parsing.
func tooLarge(s Source, r *report) bool {
	if len(s.Data) > maxSource {
		r.errorf(0, "", "%d bytes are more than the %d that a configuration file may have", len(s.Data), maxSource)
		return true
	}
	marks := 0
	for _, mark := range []string{",", "[", "{", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		marks += bytes.Count(s.Data, []byte(mark))
	}
	if marks > maxMarks {
		r.errorf(0, "", "%d commas, brackets and line ends are more than the %d that a configuration file may have", marks, maxMarks)
		return true
	}
	return false
}

// extent is how much a value is when its aliases are written out.
type extent struct{ nodes, bytes, depth int }

// measurer finds the extent of values, each once.
type measurer struct {
	known map[*yaml.Node]extent
	// open are the values that the measurer is within.
	open map[*yaml.Node]bool
}

// measure reports a document that is too large when its aliases are written out, or
// too deep.
func measure(top *yaml.Node) error {
	m := &measurer{known: map[*yaml.Node]extent{}, open: map[*yaml.Node]bool{}}
	e, err := m.of(top)
	switch {
	case err != nil:
		return err
	case e.nodes > maxNodes:
		return fmt.Errorf("its values expand to more than %d, each alias counted as what it stands for", maxNodes)
	case e.bytes > maxExpanded:
		return fmt.Errorf("its values expand to more than %d bytes, each alias counted as what it stands for", maxExpanded)
	case e.depth > maxDepth:
		return fmt.Errorf("values are nested more than %d deep", maxDepth)
	}
	return nil
}

func (m *measurer) of(n *yaml.Node) (extent, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if len(n.Content) == 0 {
		return extent{1, len(n.Value), 0}, nil
	}
	if e, ok := m.known[n]; ok {
		return e, nil
	}
	if m.open[n] {
		return extent{}, fmt.Errorf("line %d: an alias stands for what it is part of, which would expand to more than any number of values", n.Line)
	}
	m.open[n] = true
	e := extent{nodes: 1}
	for _, c := range n.Content {
		inner, err := m.of(c)
		if err != nil {
			return e, err
		}
		// Sums of what is beyond the bounds already could overflow.
		e.nodes = min(e.nodes+inner.nodes, maxNodes+1)
		e.bytes = min(e.bytes+inner.bytes, maxExpanded+1)
		e.depth = max(e.depth, inner.depth+1)
	}
	delete(m.open, n)
	m.known[n] = e
	return e, nil
}
