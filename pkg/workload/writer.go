package workload

import "bytes"

// writer writes documents as a stream.
type writer struct {
	out     *bytes.Buffer
	format  Format
	written int
}

func (w *writer) write(m *manifest) error {
	if w.format == Same {
		return w.writeSame(m)
	}
	if m.data == nil {
		return nil // a comment between two separators
	}
	if w.format == JSON {
		text, err := m.indented()
		w.out.Write(text)
		w.out.WriteByte('\n')
		return err
	}
	if w.written++; w.written > 1 {
		w.out.WriteString("---\n")
	}
	if !m.changed && !m.json {
		w.out.Write(m.text)
		w.endLine()
		return nil
	}
	if m.tree == nil {
		var err error
		if m.tree, err = m.parse(); err != nil {
			return err
		}
	}
	text, err := m.yaml()
	w.out.Write(text)
	return err
}

// writeSame writes a document in the format it came in.
func (w *writer) writeSame(m *manifest) error {
	w.out.Write(m.lead)
	if !m.changed {
		w.out.Write(m.text)
		return nil
	}
	if m.json {
		text, err := m.indented()
		w.out.Write(text)
		return err
	}
	w.endLine()
	text, err := m.yaml()
	w.out.Write(text)
	return err
}

func (w *writer) endLine() {
	if b := w.out.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
		w.out.WriteByte('\n')
	}
}
