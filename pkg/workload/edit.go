package workload

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// operation is one step of an RFC 6902 patch.
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	From  string          `json:"from"`
	Value json.RawMessage `json:"value"`
}

// pointer splits a JSON pointer (RFC 6901).
func pointer(s string) ([]string, error) {
	if !strings.HasPrefix(s, "/") {
		return nil, fmt.Errorf("%q is not a JSON pointer", s)
	}
	steps := strings.Split(s[1:], "/")
	for i := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[i])
	}
	return steps, nil
}

// editor applies a patch of a pod to the tree of its manifest. The pod's metadata
// and spec may be in different objects.
type editor struct {
	metadata, spec *yaml.Node // the mappings that have them as entries
}

func (e *editor) apply(patch []byte) error {
	var operations []operation
	if err := json.Unmarshal(patch, &operations); err != nil {
		return err
	}
	for _, o := range operations {
		if err := e.do(o); err != nil {
			return fmt.Errorf("%s %s: %w", o.Op, o.Path, err)
		}
	}
	return nil
}

func (e *editor) do(o operation) error {
	switch o.Op {
	case "add", "replace":
		value, err := fromJSON(o.Value)
		if err != nil {
			return err
		}
		return e.put(o.Path, value, o.Op == "replace")
	case "remove":
		_, err := e.remove(o.Path)
		return err
	case "move":
		value, err := e.remove(o.From)
		if err != nil {
			return err
		}
		return e.put(o.Path, value, false)
	}
	return fmt.Errorf("unknown operation")
}

// parent returns the node that contains what a pointer refers to, and the last
// step of the pointer.
func (e *editor) parent(path string) (*yaml.Node, string, error) {
	steps, err := pointer(path)
	if err != nil {
		return nil, "", err
	}
	n := e.spec
	if steps[0] == "metadata" {
		n = e.metadata
	}
	for _, step := range steps[:len(steps)-1] {
		n.Style &^= yaml.FlowStyle // what is added is too long for one line
		switch {
		case n.Kind == yaml.MappingNode && entry(n, step) >= 0:
			n = child(n, step)
		case n.Kind == yaml.SequenceNode:
			i, err := itemIndex(n, step, len(n.Content)-1)
			if err != nil {
				return nil, "", err
			}
			n = n.Content[i]
		default:
			return nil, "", fmt.Errorf("there is no %q", step)
		}
	}
	n.Style &^= yaml.FlowStyle
	return n, steps[len(steps)-1], nil
}

func itemIndex(n *yaml.Node, step string, last int) (int, error) {
	i, err := strconv.Atoi(step)
	if err != nil || i < 0 || i > last {
		return 0, fmt.Errorf("there is no item %q", step)
	}
	return i, nil
}

func (e *editor) put(path string, value *yaml.Node, replace bool) error {
	n, name, err := e.parent(path)
	if err != nil {
		return err
	}
	switch n.Kind {
	case yaml.MappingNode:
		if i := entry(n, name); i >= 0 {
			keepComments(value, n.Content[i])
			n.Content[i] = value
			return nil
		}
		if name == "metadata" { // people expect it first
			n.Content = slices.Insert(n.Content, 0, stringNode(name), value)
			return nil
		}
		n.Content = append(n.Content, stringNode(name), value)
		return nil
	case yaml.SequenceNode:
		if name == "-" {
			name = strconv.Itoa(len(n.Content))
		}
		last := len(n.Content)
		if replace {
			last--
		}
		i, err := itemIndex(n, name, last)
		if err != nil {
			return err
		}
		if replace {
			n.Content[i] = value
		} else {
			n.Content = slices.Insert(n.Content, i, value)
		}
		return nil
	}
	return fmt.Errorf("there is nothing to hold it")
}

// keepComments gives a value the comments of the one that it replaces.
func keepComments(value, old *yaml.Node) {
	if value.Kind == yaml.ScalarNode && old.Kind == yaml.ScalarNode {
		value.LineComment, value.HeadComment, value.FootComment = old.LineComment, old.HeadComment, old.FootComment
	}
}

func (e *editor) remove(path string) (*yaml.Node, error) {
	n, name, err := e.parent(path)
	if err != nil {
		return nil, err
	}
	if n.Kind == yaml.SequenceNode {
		i, err := itemIndex(n, name, len(n.Content)-1)
		if err != nil {
			return nil, err
		}
		value := n.Content[i]
		n.Content = slices.Delete(n.Content, i, i+1)
		return value, nil
	}
	i := entry(n, name)
	if i < 0 {
		return nil, fmt.Errorf("it is not there")
	}
	value := n.Content[i]
	n.Content = slices.Delete(n.Content, i-1, i+1)
	return value, nil
}
