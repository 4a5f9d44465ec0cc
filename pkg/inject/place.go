package inject

import (
	"regexp"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/nearest"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// placeOf is where one of some texts stands in a template: the first that stands there
// once, else the beginning of the template. It is empty where the template is not known.
func (s *Snapshot) placeOf(template string, texts ...string) config.Place {
	text, ok := s.config.Templates[template]
	if !ok {
		return config.Place{}
	}
	for _, needle := range texts {
		if len(needle) > 1 && strings.Count(text, needle) == 1 {
			return s.placeAt(template, strings.Index(text, needle))
		}
	}
	return s.config.TemplateOrigins[template].Start()
}

// placeAt is where a byte of a template stands in its file.
func (s *Snapshot) placeAt(template string, offset int) config.Place {
	before := s.config.Templates[template][:offset]
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return s.config.TemplateOrigins[template].Place(strings.Count(before, "\n")+1, column)
}

// missing is a value that a template names and that is not there.
type missing struct {
	expression string
	offset     int
	// near is what was meant, if it looks misspelled.
	near string
}

var (
	// printed matches an action that prints a value, and nothing else.
	printed = regexp.MustCompile(`(?:\{\{|\[\[)-?\s*((?:\.Values|\$\w*)(?:\.\w+)+)\s*-?(?:\}\}|\]\])`)
	// defined matches the definition of a variable as such a value.
	defined = regexp.MustCompile(`(\$\w+)\s*:=\s*((?:\.Values|\$\w*)(?:\.\w+)*)\s*-?(?:\}\}|\]\])`)
)

// missingValues are the actions of a template that print a chart value which is not
// there: they print "<no value>".
func (s *Snapshot) missingValues(template string) (out []missing) {
	text := s.config.Templates[template]
	variables := map[string]string{}
	for _, m := range defined.FindAllStringSubmatch(text, -1) {
		if path, ok := valuePath(m[2], variables); ok {
			variables[m[1]] = path
		}
	}
	for _, m := range printed.FindAllStringSubmatchIndex(text, -1) {
		expression := text[m[2]:m[3]]
		path, ok := valuePath(expression, variables)
		if !ok {
			continue
		}
		if near, found := lookUp(s.config.Values, path); !found {
			out = append(out, missing{expression, m[2], near})
		}
	}
	return out
}

// valuePath makes an expression the path of a chart value.
func valuePath(expression string, variables map[string]string) (string, bool) {
	if path, ok := strings.CutPrefix(strings.TrimPrefix(expression, "$"), ".Values"); ok {
		return path, true
	}
	name, rest, _ := strings.Cut(expression, ".")
	path, ok := variables[name]
	if rest != "" {
		rest = "." + rest
	}
	return path + rest, ok
}

// lookUp reports whether there is a value at a path of keys, and else the path that was
// meant, if one looks like it.
func lookUp(values map[string]any, path string) (near string, found bool) {
	at, done := any(values), ".Values"
	keys := strings.Split(strings.TrimPrefix(path, "."), ".")
	for i, key := range keys {
		m, ok := at.(map[string]any)
		if !ok {
			return "", false
		}
		if at, ok = m[key]; !ok || at == nil {
			known := make([]string, 0, len(m))
			for k := range m {
				known = append(known, k)
			}
			if n := nearest.Of(key, known); n != "" && !ok {
				return strings.Join(append([]string{done, n}, keys[i+1:]...), "."), false
			}
			return "", false
		}
		done += "." + key
	}
	return "", true
}

func containerNames(list []corev1.Container) (names []string) {
	for i := range list {
		names = append(names, list[i].Name)
	}
	return names
}

func volumeNames(list []corev1.Volume) (names []string) {
	for i := range list {
		names = append(names, list[i].Name)
	}
	return names
}
