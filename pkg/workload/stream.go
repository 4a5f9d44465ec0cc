package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxStream bounds what is read: manifests are written by and for people, and
// the largest bundles of them have a few megabytes.
const maxStream = 256 << 20

// document is one manifest of a stream.
type document struct {
	lead []byte // what precedes it: a separator line, white space
	text []byte
	line int // of the stream, where text begins; from 1
	json bool
}

// split cuts a stream into its documents. Their leads and texts, joined, are the
// stream.
func split(in io.Reader) ([]document, error) {
	stream, err := io.ReadAll(io.LimitReader(in, maxStream+1))
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	if len(stream) > maxStream {
		return nil, fmt.Errorf("manifests: more than %d MiB", maxStream>>20)
	}
	if start := bytes.TrimLeft(stream, " \t\r\n"); len(start) > 0 && (start[0] == '{' || start[0] == '[') && !hasSeparator(stream) {
		if documents, err := splitJSON(stream); err == nil {
			return documents, nil
		}
		// It may still be YAML in flow style.
	}
	return splitYAML(stream), nil
}

func hasSeparator(stream []byte) bool {
	return bytes.HasPrefix(stream, []byte("---")) || bytes.Contains(stream, []byte("\n---"))
}

// splitYAML cuts at lines that begin with --- or that are "...": such a line ends a
// document anywhere, even within a block of text.
func splitYAML(stream []byte) []document {
	var documents []document
	current := document{line: 1}
	line := 1
	for len(stream) > 0 {
		end := bytes.IndexByte(stream, '\n') + 1
		if end == 0 {
			end = len(stream)
		}
		text := stream[:end]
		stream = stream[end:]
		line++
		marker, rest := separator(text)
		if marker == nil {
			current.text = append(current.text, text...)
			continue
		}
		if len(current.text) > 0 || len(current.lead) > 0 {
			documents = append(documents, current)
		}
		current = document{lead: marker, line: line}
		if len(rest) > 0 {
			current.text, current.line = append(current.text, rest...), line-1
		}
	}
	return append(documents, current)
}

// separator splits a line that begins or ends a document into its marker and the
// rest, which is part of the document. marker is nil for any other line.
func separator(line []byte) (marker, rest []byte) {
	content := bytes.TrimRight(line, " \t\r\n")
	if bytes.Equal(content, []byte("...")) {
		return line, nil
	}
	if !bytes.HasPrefix(content, []byte("---")) {
		return nil, nil
	}
	after := bytes.TrimLeft(content[3:], " \t")
	switch {
	case len(after) == 0 || after[0] == '#' && len(after) < len(content)-3:
		return line, nil
	case content[3] == ' ' || content[3] == '\t':
		return line[:3:3], line[3:]
	}
	return nil, nil // ---x is text
}

// splitJSON reads one JSON value after the other.
func splitJSON(stream []byte) ([]document, error) {
	var documents []document
	d := json.NewDecoder(bytes.NewReader(stream))
	end := 0
	for {
		var value json.RawMessage
		err := d.Decode(&value)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		next := int(d.InputOffset())
		begin := next - len(value)
		documents = append(documents, document{
			lead: stream[end:begin:begin],
			text: stream[begin:next:next],
			line: 1 + bytes.Count(stream[:begin], []byte("\n")),
			json: true,
		})
		end = next
	}
	return append(documents, document{lead: stream[end:], json: true}), nil
}
