package largest

import (
	"fmt"
	"strings"
)

// kind is something that a pod may have many of.
type kind struct {
	name string
	// pod returns the JSON of a pod with n of them.
	pod func(n int) string
}

// kinds are what a pod's author can make the injector look at, each in turn.
func kinds() []kind {
	return []kind{
		{"containers", func(n int) string { return pod("", items("containers", n, container)) }},
		{"init containers", func(n int) string { return pod("", app, items("initContainers", n, container)) }},
		{"ephemeral containers", func(n int) string { return pod("", app, items("ephemeralContainers", n, container)) }},
		{"volumes", func(n int) string { return pod("", app, items("volumes", n, volume)) }},
		{"pull secrets", func(n int) string { return pod("", app, items("imagePullSecrets", n, named)) }},
		{"tolerations", func(n int) string {
			return pod("", app, items("tolerations", n, func(i int) string { return fmt.Sprintf(`{"key":"t%d"}`, i) }))
		}},
		{"env entries", func(n int) string { return pod("", one("app", "env", n, variable)) }},
		{"env entries of the declared proxy", func(n int) string { return pod("", one("istio-proxy", "env", n, variable)) }},
		{"mounts", func(n int) string {
			return pod("", one("app", "volumeMounts", n, func(i int) string { return fmt.Sprintf(`{"name":"v","mountPath":"/%d"}`, i) }))
		}},
		{"ports", func(n int) string {
			return pod("", one("app", "ports", n, func(i int) string { return fmt.Sprintf(`{"containerPort":%d}`, i) }))
		}},
		{"annotations", func(n int) string { return pod(pairs(n), app) }},
		{"bytes of an annotation", func(n int) string { return pod(`"a":"`+strings.Repeat("x", n)+`"`, app) }},
		{"digits of a quantity", func(n int) string {
			return pod(`"sidecar.istio.io/proxyCPU":"`+strings.Repeat("9", n)+`"`, app)
		}},
		{"templates named", func(n int) string {
			return pod(`"inject.istio.io/templates":"`+strings.Repeat("sidecar,", n)+`sidecar"`, app)
		}},
		{"keys of the proxy's configuration", func(n int) string {
			return pod(`"proxy.istio.io/config":"proxyMetadata: {`+strings.ReplaceAll(pairs(n), `"`, "'")+`}"`, app)
		}},
		{"containers that the status names", func(n int) string {
			return pod(status(`"containers":`, n, "c"), items("containers", n, container))
		}},
		{"init containers that the status names", func(n int) string {
			return pod(status(`"initContainers":`, n, "c"), app, items("initContainers", n, container))
		}},
		{"volumes that the status names", func(n int) string {
			return pod(status(`"volumes":`, n, "v"), app, items("volumes", n, volume))
		}},
		{"containers in the overrides", func(n int) string {
			list := strings.ReplaceAll(items("containers", n, container), `"`, `\"`)
			return pod(`"proxy.istio.io/overrides":"{`+list+`}"`, app)
		}},
		{"unknown fields", func(n int) string { return pod("", app, `"unknown":{`+pairs(n)+`}`) }},
		{"levels of nesting", func(n int) string {
			return pod("", app, `"unknown":[`+strings.Repeat("[", n)+strings.Repeat("]", n)+`]`)
		}},
	}
}

const app = `"containers":[{"name":"app","image":"a"}]`

// pod returns a pod with annotations, without their braces, and fields of its spec.
func pod(annotations string, fields ...string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"large","namespace":"default","labels":{"app":"large"},"annotations":{` +
		annotations + `}},"spec":{` + strings.Join(fields, ",") + `}}`
}

// items returns a field with a list of n items.
func items(field string, n int, item func(i int) string) string {
	return `"` + field + `":[` + list(n, item) + `]`
}

func list(n int, item func(i int) string) string {
	var s strings.Builder
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(item(i))
	}
	return s.String()
}

// one returns the list of containers with one container, and n items in a field of it.
func one(name, field string, n int, item func(i int) string) string {
	return `"containers":[{"name":"` + name + `","image":"auto",` + items(field, n, item) + `}]`
}

func pairs(n int) string {
	return list(n, func(i int) string { return fmt.Sprintf(`"a%d":"b"`, i) })
}

// status returns the annotation that names n items with this beginning as injected.
func status(field string, n int, prefix string) string {
	return `"sidecar.istio.io/status":"{` + strings.ReplaceAll(field+"["+list(n, func(i int) string { return fmt.Sprintf(`"%s%d"`, prefix, i) })+"]", `"`, `\"`) + `}"`
}

func container(i int) string { return fmt.Sprintf(`{"name":"c%d","image":"a"}`, i) }
func volume(i int) string    { return fmt.Sprintf(`{"name":"v%d","emptyDir":{}}`, i) }
func named(i int) string     { return fmt.Sprintf(`{"name":"s%d"}`, i) }
func variable(i int) string  { return fmt.Sprintf(`{"name":"E%d","value":"v"}`, i) }
