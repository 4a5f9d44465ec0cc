package inject

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/aliases"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/nearest"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/classic"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// noValue is what text/template prints for a value that is not there.
const noValue = "<no value>"

// wrongFormat matches what printf prints for an argument that is missing or of another
// type than its verb.
var wrongFormat = regexp.MustCompile(`%![a-z]\((?:<nil>|[a-z]+=|MISSING|BADINDEX)|%!\(EXTRA `)

// fields tells what the templates have rendered that is no field of a pod, values
// that are not there, and names of images in capitals: errors where the configuration
// asks for it, else warnings.
func (j *judge) fields(attempts []*attempt) {
	for _, a := range attempts {
		for _, e := range j.s.capitals(a) {
			j.field(e)
		}
		for _, of := range a.seen {
			for _, e := range j.s.unknownFields(of) {
				j.field(e)
			}
			for _, e := range j.s.valuesMissing(of) {
				j.field(e)
			}
		}
	}
}

func (j *judge) field(e finding) {
	key := keyOf(e)
	if j.said[key] {
		return
	}
	j.said[key] = true
	if j.s.strict() {
		j.found.Errors = append(j.found.Errors, e)
		return
	}
	j.found.warn(e.Error(), e.Public())
}

// unknownFields are the fields that a template has rendered and a pod does not have.
func (s *Snapshot) unknownFields(of seen) (out []*trialError) {
	var fields []podmodel.Unknown
	switch {
	case of.overlay != nil:
		fields = of.overlay.Unknown().List()
	case of.text != nil:
		fields = unknownOfFragment(of.text)
	}
	for _, u := range fields {
		if slices.Contains(s.config.AdditionalFields, u.Plain) {
			continue
		}
		e := &trialError{template: of.template, path: cut.Line(u.Path, maxDetail), number: cut.Line(u.Plain, maxDetail)}
		e.problem = "Kubernetes has no such field" + suggestion(u)
		if !nameLike.MatchString(u.Name) {
			e.number = strings.TrimSuffix(e.number, cut.Line(u.Name, maxDetail)) + "(not shown)"
			e.public = "Kubernetes has no such field"
		}
		e.place = s.placeOfKey(of.template, u.Name)
		out = append(out, e)
	}
	return out
}

// nameLike matches what looks like the name of a field.
var nameLike = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,60}$`)

// placeOfKey is where a key first stands in a template; its beginning where it does not.
func (s *Snapshot) placeOfKey(template, key string) config.Place {
	at := regexp.MustCompile(`(?:^|[\s{,"'-])(` + regexp.QuoteMeta(key) + `)["']?\s*:`).FindStringSubmatchIndex(s.config.Templates[template])
	if at == nil {
		return s.placeOf(template)
	}
	return s.placeAt(template, at[2])
}

// maxListedFields is how many fields a message lists.
const maxListedFields = 40

// suggestion says what was probably meant by an unknown field, and what to do if it was
// not.
func suggestion(u podmodel.Unknown) string {
	return meant(u) + fmt.Sprintf(" (a field of a newer version of Kubernetes is to be listed in additionalFields: %s)", cut.Line(u.Plain, maxDetail))
}

func meant(u podmodel.Unknown) string {
	in := u.Within[len(u.Within)-1]
	names := fieldNames(in)
	if near := nearest.Of(u.Name, names); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	for _, f := range in.Fields {
		if t := f.Type; t.Kind == podschema.Struct && t.Field(u.Name) != nil && f.Name != "status" {
			return fmt.Sprintf(", it belongs under %q", f.Name)
		}
	}
	for i, outer := range slices.Backward(u.Within[:len(u.Within)-1]) {
		if outer.Field(u.Name) != nil {
			return fmt.Sprintf(", it belongs %s", levels(u, i))
		}
	}
	if len(names) > maxListedFields || len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return ", there are " + strings.Join(names, ", ")
}

// levels says which of the objects around an unknown field the number i is.
func levels(u podmodel.Unknown, i int) string {
	parts := strings.Split(u.Plain, ".")
	if i == 0 {
		return "at the top, beside spec"
	}
	return fmt.Sprintf("under %q", strings.Join(parts[:min(i, len(parts))], "."))
}

func fieldNames(t *podschema.Type) (names []string) {
	for i := range t.Fields {
		names = append(names, t.Fields[i].Name)
	}
	return names
}

// unknownOfFragment are the fields in the text of a classic fragment that it does not
// have.
func unknownOfFragment(text []byte) (out []podmodel.Unknown) {
	data := readRendered(text)
	fragment := podschema.For(reflect.TypeFor[classic.Fragment]())
	walkUnknown(data, podmodel.Unknown{Within: []*podschema.Type{fragment}}, &out)
	return out
}

// readRendered reads the text of a template; nil where that cannot be done, which the
// attempt has failed with.
func readRendered(text []byte) (data any) {
	bounds := aliases.Bounds{Values: maxRenderedValues, Bytes: maxRenderedBytes, Depth: maxDepth}
	if bounds.Text(text) != nil || yaml.Unmarshal(text, &data) != nil {
		return nil
	}
	return data
}

// maxRenderedValues and maxRenderedBytes are what a rendered text may be, aliases written out, in
// which something is looked for: twice what templates may render.
const (
	maxRenderedValues = 100_000
	maxRenderedBytes  = 2 << 20
)

// walkUnknown finds unknown fields in data of a type, the last one of at.
func walkUnknown(data any, at podmodel.Unknown, out *[]podmodel.Unknown) {
	t := at.Within[len(at.Within)-1]
	switch data := data.(type) {
	case map[string]any:
		for _, name := range sortedKeys(data) {
			f := t.Field(name)
			below := podmodel.Unknown{Path: join(at.Path, name), Plain: join(at.Plain, name), Name: name, Within: at.Within}
			switch {
			case t.Kind == podschema.Struct && f == nil:
				*out = append(*out, below)
			case t.Kind == podschema.Struct:
				below.Within = append(slices.Clone(at.Within), f.Type)
				walkUnknown(data[name], below, out)
			}
		}
	case []any:
		if t.Kind != podschema.List {
			return
		}
		for i, item := range data {
			element := at
			element.Path += elementName(i, item)
			element.Within = append(slices.Clone(at.Within[:len(at.Within)-1]), t.Elem)
			walkUnknown(item, element, out)
		}
	}
}

func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// elementName is an element of a list in a path: by its name, or by its number.
func elementName(i int, item any) string {
	if m, ok := item.(map[string]any); ok {
		if name, ok := m["name"].(string); ok && name != "" && name != noValue {
			return "[" + name + "]"
		}
	}
	return fmt.Sprintf("[%d]", i)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// valuesMissing are the actions of a template that have printed that a value is not there,
// or, where these are not found, the places of the rendered text.
func (s *Snapshot) valuesMissing(of seen) (out []finding) {
	if of.text == nil {
		return nil
	}
	holes := holesIn(readRendered(of.text), "", "")
	if len(holes) == 0 {
		return nil // only a comment has it
	}
	for _, e := range of.missing {
		out = append(out, e)
	}
	if out != nil {
		return out
	}
	for _, h := range holes {
		out = append(out, &trialError{
			template: of.template, place: s.placeOf(of.template), path: h.path, number: h.plain,
			problem: fmt.Sprintf("holds %s: a value that the template prints is not there, or of another type", cut.Quote(h.text, shownValue)),
			public:  "holds the mark of a value that is not there, or of another type",
		})
	}
	return out
}

// hole is a text in which a value is not there.
type hole struct{ path, plain, text string }

func holesIn(data any, path, plain string) (out []hole) {
	switch data := data.(type) {
	case string:
		if strings.Contains(data, noValue) || wrongFormat.MatchString(data) {
			out = append(out, hole{path, plain, data})
		}
	case map[string]any:
		for _, key := range sortedKeys(data) {
			if strings.Contains(key, noValue) {
				out = append(out, hole{path, plain, key})
			}
			out = append(out, holesIn(data[key], join(path, key), join(plain, key))...)
		}
	case []any:
		for i, item := range data {
			out = append(out, holesIn(item, path+elementName(i, item), plain)...)
		}
	}
	return out
}
