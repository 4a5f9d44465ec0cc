package patch

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Extra is a field to be added that the pod's Go type does not have, so that
// after cannot hold it: a template may use a field that is newer than we are.
type Extra struct {
	// Path leads there from the pod: field names, and for list items their key
	// in brackets, for example ["spec", "containers", "[istio-proxy]", "newField"].
	// Where the result has no such object the Extra is left out.
	Path []string
	// Value is the field's JSON.
	Value []byte
}

// extra is a tree of what is to be added. A nil extra is empty.
type extra struct {
	below  map[string]*extra
	values []entry
}

func newExtra(all []Extra) *extra {
	if len(all) == 0 {
		return nil
	}
	root := &extra{}
	for _, e := range all {
		x, name := root, e.Path[len(e.Path)-1]
		for _, step := range e.Path[:len(e.Path)-1] {
			if x.below[step] == nil {
				if x.below == nil {
					x.below = map[string]*extra{}
				}
				x.below[step] = &extra{}
			}
			x = x.below[step]
		}
		x.values = slices.DeleteFunc(x.values, func(old entry) bool { return old.name == name })
		x.values = append(x.values, entry{name: name, value: e.Value})
	}
	return root
}

func (x *extra) child(name string) *extra {
	if x == nil {
		return nil
	}
	return x.below[name]
}

// item finds what is to be added to an item of a list, by its key or its place.
func (x *extra) item(t *podschema.Type, item reflect.Value, i int) *extra {
	if x == nil {
		return nil
	}
	key := strconv.Itoa(i)
	if len(t.Identity) > 0 {
		key, _, _ = strings.Cut(identify(t, item), "\x00")
	}
	return x.below["["+key+"]"]
}

func (x *extra) has(name string) bool {
	return x != nil && slices.ContainsFunc(x.values, func(e entry) bool { return e.name == name })
}

func (x *extra) entries() []entry {
	if x == nil {
		return nil
	}
	return x.values
}

// missing lists what an object as received does not have, or has otherwise.
func (x *extra) missing(known []entry) []entry {
	var all []entry
	for _, e := range x.entries() {
		if old := last(known, e.name); old == nil || !bytes.Equal(compact(old), compact(e.value)) {
			all = append(all, e)
		}
	}
	return all
}

// compact takes the white space out of JSON, for comparing.
func compact(value []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return value
	}
	return b.Bytes()
}
