package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/strvals"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/yamlpath"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// injectorChart is the name of the chart whose values given knows.
const injectorChart = "istio-sidecar-injector"

// given knows where the values of a chart were given: by which flag, or in which file.
type given struct {
	// layers are asked in order; the first that has a value is where it was given.
	layers []layer
	// prefix leads to the injector's values where its chart is one of another's.
	prefix string
	// builtin is the path of the chart's own template.
	builtin string
}

// layer is one values file, or one flag of the command line.
type layer interface {
	// find returns where the value at a path was given. have says that there is one
	// there, or that it is hidden by a value that replaces what is around it.
	find(path string) (origin config.Origin, have bool)
}

// newGiven reads the values files once more, for the places of what they hold.
func newGiven(o *options, ch *chart.Chart) *given {
	g := &given{}
	add := func(flag string, args []string, parse func(string) (map[string]any, error)) {
		for _, arg := range slices.Backward(args) {
			if values, err := parse(arg); err == nil {
				g.layers = append(g.layers, argument{"--" + flag, values})
			}
		}
	}
	add("set-literal", o.setLiteral, strvals.ParseLiteral)
	add("set-file", o.setFile, func(arg string) (map[string]any, error) {
		return strvals.ParseFile(arg, func(path []rune) (any, error) { return fileValue(path), nil })
	})
	add("set-string", o.setString, strvals.ParseString)
	add("set", o.set, strvals.Parse)
	add("set-json", o.setJSON, func(arg string) (map[string]any, error) {
		values := map[string]any{}
		return values, strvals.ParseJSON(arg, values)
	})
	for _, path := range slices.Backward(o.values) {
		if text, err := os.ReadFile(path); err == nil {
			g.layers = append(g.layers, newFile(path, text))
		}
	}
	g.own(ch, inChart(o.chart, ch))
	if ch.Name() != injectorChart {
		for _, sub := range ch.Dependencies() {
			if sub.Name() == injectorChart {
				g.prefix = injectorChart + "."
				g.builtin = filepath.Join(inChart(o.chart, ch), "charts", injectorChart, "files", "sidecar.yaml")
			}
		}
		return g
	}
	g.builtin = filepath.Join(inChart(o.chart, ch), "files", "sidecar.yaml")
	return g
}

// inChart is the folder of a chart's files; in an archive, as it is unpacked.
func inChart(path string, ch *chart.Chart) string {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return filepath.Join(path, ch.Name())
	}
	return path
}

// own adds the chart's own values.
func (g *given) own(ch *chart.Chart, folder string) {
	for _, f := range ch.Raw {
		if f.Name == "values.yaml" {
			g.layers = append(g.layers, newFile(filepath.Join(folder, f.Name), f.Data))
		}
	}
}

// find returns where a value of the injector's chart was given.
func (g *given) find(path string) (config.Origin, bool) {
	for _, l := range g.layers {
		if origin, have := l.find(g.prefix + path); have {
			return origin, true
		}
	}
	return config.Origin{}, false
}

// injection are the origins of the injection configuration that the chart makes: its
// keys are values of the same name, and its templates come from values, from
// injectConfig.content, or from the chart's own file.
func (g *given) injection(content bool) config.Origins {
	return func(path string) (config.Origin, bool) {
		switch {
		case content && path == "":
			return g.find("injectConfig.content")
		case path == "":
			return config.Origin{}, false
		}
		if origin, ok := g.find(path); ok {
			return origin, true
		}
		switch path {
		case "templates.sidecar":
			return config.FileOrigin(g.builtin), true
		case "policy":
			return g.find("global.proxy.autoInject")
		}
		return config.Origin{}, false
	}
}

// mesh are the origins of the mesh configuration: the values meshConfig, over what the
// chart works out of others.
func (g *given) mesh(path string) (config.Origin, bool) {
	if path == "" {
		return config.Origin{}, false
	}
	if origin, ok := g.find("meshConfig." + path); ok {
		return origin, true
	}
	switch path {
	case "rootNamespace", "defaultConfig.discoveryAddress":
		return g.find("global.istioNamespace")
	}
	return config.Origin{}, false
}

// templateValues are the origins of what templates see as .Values.
func (g *given) templateValues(path string) (config.Origin, bool) {
	if path == "" {
		return config.Origin{}, false
	}
	if origin, ok := g.find("templateValues." + path); ok {
		return origin, true
	}
	return g.find(strings.TrimPrefix(path, "sidecarInjectorWebhook."))
}

// file is a values file.
type file struct {
	name, text string
	document   yaml.Node
}

func newFile(name string, text []byte) *file {
	f := &file{name: name, text: string(text)}
	if yaml.Unmarshal(text, &f.document) != nil {
		f.document = yaml.Node{} // which helm's own error tells
	}
	return f
}

func (f *file) find(path string) (config.Origin, bool) {
	key, value, exact := yamlpath.Find(&f.document, path)
	switch {
	case value == nil, !exact && (value.Kind == yaml.MappingNode || value.Tag == "!!null"), value.Tag == "!!null":
		return config.Origin{}, false
	case value.Kind == yaml.ScalarNode || key == nil:
		return config.NodeOrigin(f.name, f.text, value), true
	}
	return config.NodeOrigin(f.name, f.text, key), true
}

// argument is a flag that sets values.
type argument struct {
	flag   string
	values map[string]any
}

// fileValue is the path of a file whose text is the value.
type fileValue string

func (a argument) find(path string) (config.Origin, bool) {
	value, at, exact := walk(a.values, path)
	if _, isMap := value.(map[string]any); value == nil || isMap && !exact {
		return config.Origin{}, false
	}
	if text, ok := value.(fileValue); ok {
		return config.FileOrigin(string(text)), true
	}
	return config.ArgumentOrigin(fmt.Sprintf("%s %s", a.flag, at)), true
}

// walk follows a path into values as far as it goes, and returns what is there and its
// path.
func walk(value any, path string) (found any, at string, exact bool) {
	for {
		path = strings.TrimPrefix(path, ".")
		if path == "" {
			return value, at, true
		}
		switch v := value.(type) {
		case map[string]any:
			name := ""
			for k := range v {
				rest, ok := strings.CutPrefix(path, k)
				if ok && len(k) > len(name) && (rest == "" || rest[0] == '.' || rest[0] == '[') {
					name = k
				}
			}
			if name == "" {
				return value, at, false
			}
			value, path, at = v[name], path[len(name):], strings.TrimPrefix(at+"."+name, ".")
		case []any:
			number, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
			i, err := strconv.Atoi(number)
			if !ok || err != nil || i < 0 || i >= len(v) {
				return value, at, false
			}
			value, path, at = v[i], rest, fmt.Sprintf("%s[%d]", at, i)
		default:
			return value, at, false
		}
	}
}
