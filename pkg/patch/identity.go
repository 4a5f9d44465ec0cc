package patch

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// identify returns what tells an item apart from the others in its list: its
// identity, or a scalar itself.
func identify(t *podschema.Type, item reflect.Value) string {
	if t.Elem.Kind == podschema.String {
		return item.String()
	}
	if len(t.Identity) == 0 {
		return fmt.Sprint(item)
	}
	if len(t.Identity) == 1 && t.Identity[0].Type.Kind == podschema.String {
		return t.Identity[0].Of(item).String()
	}
	var b []byte
	for _, f := range t.Identity {
		if v := f.Of(item); f.Type.Kind == podschema.Int {
			b = strconv.AppendInt(b, v.Int(), 10)
		} else {
			b = append(b, v.String()...)
		}
		b = append(b, 0)
	}
	return string(b)
}

// identifyReceived is identify for an item as received.
func identifyReceived(t *podschema.Type, item []byte) (string, error) {
	if !isObject(item) {
		return "", nil
	}
	entries, err := members(item)
	if err != nil {
		return "", err
	}
	v := reflect.New(t.Elem.Go).Elem()
	for _, f := range t.Identity {
		value := last(entries, f.Name)
		if f.Type.Kind == podschema.Int {
			i, _ := strconv.ParseInt(string(value), 10, 32)
			f.Of(v).SetInt(i)
		} else if len(value) > 1 && value[0] == '"' {
			s, err := unquote(value)
			if err != nil {
				return "", err
			}
			f.Of(v).SetString(s)
		}
	}
	return identify(t, v), nil
}
