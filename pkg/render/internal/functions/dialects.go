package functions

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	sigsyaml "sigs.k8s.io/yaml"
)

// proxyContainer is the name of the data plane's container.
const proxyContainer = "istio-proxy"

// Current are the functions of the current dialect: what is left of
// sprig, and over it our own.
func Current(env map[string]string) template.FuncMap {
	m := sprigFuncs()
	maps.Copy(m, common())
	maps.Copy(m, template.FuncMap{
		"includeInboundPorts":    func(c []corev1.Container) string { return ports(c, true, tcpOnly) },
		"applicationPorts":       func(c []corev1.Container) string { return ports(c, false, tcpOnly) },
		"excludeInterfaces":      func(s string) string { return s },
		"structToJSON":           structToJSON,
		"protoToJSON":            protoToJSON,
		"contains":               func(needle, haystack string) bool { return strings.Contains(haystack, needle) },
		"toLower":                strings.ToLower,
		"appendMultusNetwork":    appendMultusNetwork,
		"env":                    func(name, def string) string { return nonEmpty(env[name], def) },
		"omit":                   omit,
		"strdict":                strdict,
		"mergeMaps":              mergeMaps,
		"toJsonMap":              func(m ...map[string]string) (string, error) { return toJSON(mergeMaps(m...)) },
		"omitNil":                omitNil,
		"otelResourceAttributes": otelResourceAttributes,
	})
	return m
}

// Classic are the functions of the classic dialect.
func Classic() template.FuncMap {
	m := common()
	maps.Copy(m, template.FuncMap{
		"includeInboundPorts": func(c []corev1.Container) string { return ports(c, true, anyProtocol) },
		"applicationPorts":    func(c []corev1.Container) string { return ports(c, false, anyProtocol) },
		"toJson":              toJSON,
		// text/template has these; here they are within limits.
		"print":   func(args ...any) string { return limitText(fmt.Sprint(limited(args)...)) },
		"println": func(args ...any) string { return limitText(fmt.Sprintln(limited(args)...)) },
		"printf":  printf,
	})
	return m
}

// common are in both dialects.
func common() template.FuncMap {
	return template.FuncMap{
		"annotation":         annotation,
		"directory":          func(p string) string { dir, _ := path.Split(p); return dir },
		"excludeInboundPort": excludeInboundPort,
		"formatDuration":     formatDuration,
		"fromJSON":           fromJSON,
		"html":               bounded(template.HTMLEscaper),
		"indent":             indent,
		"isset":              func(m map[string]string, key string) bool { _, ok := m[key]; return ok },
		"js":                 bounded(template.JSEscaper),
		"kubevirtInterfaces": func(s string) string { return s },
		"toJSON":             toJSON,
		"toYaml":             toYaml,
		"urlquery":           bounded(template.URLQueryEscaper),
		"valueOrDefault":     valueOrDefault,
	}
}

// annotation returns the value of an annotation, or what def prints as.
func annotation(meta *metav1.ObjectMeta, name string, def any) string {
	if value, ok := meta.Annotations[name]; ok {
		return value
	}
	return Text(def)
}

// valueOrDefault returns def for nil and the empty string.
func valueOrDefault(value, def any) any {
	if value == nil || value == "" {
		return def
	}
	return value
}

func nonEmpty(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// formatDuration prints as Go does, "1m0s"; a duration that is not set prints
// as "0s", in both dialects.
func formatDuration(d interface{ AsDuration() time.Duration }) string {
	if d == nil {
		return time.Duration(0).String()
	}
	return d.AsDuration().String()
}

// excludeInboundPort adds a port to a list of excluded ports, unless it is
// there already, or is no port (empty or 0).
func excludeInboundPort(port any, excluded string) string {
	p := strings.TrimSpace(Text(port))
	if p == "" || p == "0" {
		return excluded
	}
	var out []string
	for _, e := range strings.Split(excluded, ",") {
		e = strings.TrimSpace(e)
		if e == p {
			return excluded
		}
		if e != "" {
			out = append(out, e)
		}
	}
	return strings.Join(append(out, p), ",")
}

func tcpOnly(p corev1.Protocol) bool {
	return p != corev1.ProtocolUDP && p != corev1.ProtocolSCTP
}

func anyProtocol(corev1.Protocol) bool { return true }

// ports lists the container ports, with or without the proxy's own.
func ports(containers []corev1.Container, proxy bool, want func(corev1.Protocol) bool) string {
	var out []string
	for i := range containers {
		if !proxy && containers[i].Name == proxyContainer {
			continue
		}
		for _, p := range containers[i].Ports {
			if want(p.Protocol) {
				out = append(out, strconv.Itoa(int(p.ContainerPort)))
			}
		}
	}
	return strings.Join(out, ",")
}

// indent indents all lines but the first.
func indent(n int, s string) string {
	if n < 0 {
		refuse("indent: invalid width %d, must not be negative", n)
	}
	limitProduct(strings.Count(s, "\n")+1, n)
	return limitText(strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n)))
}

func toYaml(v any) (string, error) {
	Size(reflect.ValueOf(&v).Elem(), maxValue)
	out, err := sigsyaml.Marshal(v)
	return limitText(string(out)), err
}

// toJSON writes an object for nil, too.
func toJSON(v any) (string, error) {
	if m, ok := v.(map[string]string); v == nil || ok && m == nil {
		return "{}", nil
	}
	Size(reflect.ValueOf(&v).Elem(), maxValue)
	out, err := json.Marshal(v)
	return limitText(string(out)), err
}

// fromJSON gives the string "{}" for what is not JSON, as the reference does:
// templates rely on it.
func fromJSON(s string) any {
	if len(s) > maxParsed {
		refuse("a text in JSON is longer than %d bytes", maxParsed)
	}
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return "{}"
	}
	return v
}

func structToJSON(v any) (string, error) {
	if v == nil {
		return "{}", nil
	}
	Size(reflect.ValueOf(v), maxValue)
	out, err := json.Marshal(v)
	return limitText(string(out)), err
}
