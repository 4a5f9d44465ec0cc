package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// The bounds on the proxy configuration of one pod. Each value costs some twenty
// microseconds, on the way through YAML, JSON and protobuf.
const (
	// maxOverlayValues counts keys and values, those that an alias stands for with it. A
	// proxy configuration has some hundred fields; most of the values are metadata.
	maxOverlayValues = 4_000
	// maxOverlayDepth is how many lists and mappings may be within each other. The
	// deepest field is 6 levels down.
	maxOverlayDepth = 32
)

// LimitError is a proxy configuration that holds more than is read.
type LimitError struct {
	Name string // of the source
	What string
	Most int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: has more than %d %s: leave out what the mesh's configuration says already, or set it there", e.Name, e.Most, e.What)
}

// checkOverlay refuses a proxy configuration that holds more than is read.
func checkOverlay(name string, top *yaml.Node) error {
	values := 0
	var check func(n *yaml.Node, depth int) error
	check = func(n *yaml.Node, depth int) error {
		if values++; values > maxOverlayValues {
			return &LimitError{name, "keys and values", maxOverlayValues}
		}
		if depth > maxOverlayDepth {
			return &LimitError{name, "lists and mappings within each other", maxOverlayDepth}
		}
		for _, c := range resolve(n).Content {
			if err := check(c, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return check(top, 1)
}
