package merge

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/quantity"
)

// scalar sets dst, which may not be taken apart further and is the zero value.
func scalar(dst reflect.Value, t *podschema.Type, n *node) error {
	switch t.Kind {
	case podschema.String:
		if n.kind != text {
			return wrong(n, t)
		}
		dst.SetString(n.scalar)
	case podschema.Bool:
		if n.kind != boolean {
			return wrong(n, t)
		}
		dst.SetBool(n.scalar == "true")
	case podschema.Int:
		i, ok := integer(n)
		if !ok {
			return wrong(n, t)
		}
		if dst.OverflowInt(i) {
			return errorf("%s does not fit into a number of %d bits", n, t.Go.Bits())
		}
		dst.SetInt(i)
	default:
		if err := decode(n, dst.Addr().Interface()); err != nil {
			return invalid(n, t, err)
		}
	}
	return nil
}

func invalid(n *node, t *podschema.Type, err error) error {
	return errorf("%s is not a valid %s: %v", n, t.Go.Name(), err)
}

// decode sets what reads its own JSON, without checking first that it is JSON.
// Quantities, most of these, do not need it written down.
func decode(n *node, into any) error {
	if q, ok := into.(*resource.Quantity); ok && (n.kind == text || n.kind == number) {
		parsed, err := quantity.Parse(strings.TrimSpace(n.scalar))
		*q = parsed
		return err
	}
	data := n.appendJSON(nil)
	if own, ok := into.(json.Unmarshaler); ok {
		return own.UnmarshalJSON(data)
	}
	return json.Unmarshal(data, into)
}

// integer reads a whole number. 5.0 is one: YAML has no other way to tell, and
// JSON readers disagree.
func integer(n *node) (int64, bool) {
	if n.kind != number {
		return 0, false
	}
	if i, err := strconv.ParseInt(n.scalar, 10, 64); err == nil {
		return i, true
	}
	const exact = 1 << 53 // beyond it a float64 is not a certain integer
	f, err := strconv.ParseFloat(n.scalar, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, false
	}
	return int64(f), true
}

func wrong(n *node, t *podschema.Type) error {
	want := map[podschema.Kind]string{
		podschema.Bool:   "true or false",
		podschema.Int:    "a whole number",
		podschema.String: "text",
		podschema.Struct: "an object",
		podschema.Map:    "an object",
		podschema.List:   "a list",
	}[t.Kind]
	hint := ""
	if t.Kind == podschema.String && (n.kind == number || n.kind == boolean) {
		hint = "; put it in quotes"
	}
	return errorf("is %s, must be %s%s", n, want, hint)
}
