//go:build e2e

package badconfig

import (
	"fmt"
	"strings"
)

// half is why the guard lets half of a pair in.
const half = "half of a pair is judged by the servers, which wait for the other"

// mistake is one way to write a configuration that no pod, or not every pod, can be
// created with.
type mistake struct {
	name string
	// values makes the mistake in the chart's values; nil when the chart cannot make it.
	values func(values)
	// edit makes it in the two ConfigMaps; nil when the chart's rendering of values has it.
	edit func(*objects)
	// stored is why the guard cannot refuse it: nobody is asked about a deletion, and
	// half of a pair is judged by the servers.
	stored string
	// first marks one of each kind, which the short form tries in more ways and modes.
	first bool
	// says must be in a refusal by the guard.
	says []string
}

func mistakes() []mistake {
	var all []mistake
	for _, of := range [][]mistake{syntaxMistakes(), boundMistakes(), outputMistakes(), fieldMistakes(), podMistakes(), valueMistakes(), meshMistakes(), textMistakes(), objectMistakes()} {
		all = append(all, of...)
	}
	return all
}

// inSidecar makes the mistake in the template that every pod gets: lines are
// fields of the injected container.
func inSidecar(lines ...string) func(values) {
	return func(v values) { v.template("sidecar", sidecar(badMark)+indented(4, lines)) }
}

// inSpec is the same with fields of the pod's spec.
func inSpec(lines ...string) func(values) {
	return func(v values) { v.template("sidecar", sidecar(badMark)+indented(2, lines)) }
}

// inPod is the same with fields of the pod.
func inPod(lines ...string) func(values) {
	return func(v values) { v.template("sidecar", sidecar(badMark)+indented(0, lines)) }
}

// before puts a text before the template that every pod gets.
func before(text string) func(values) {
	return func(v values) { v.template("sidecar", text+"\n"+sidecar(badMark)) }
}

// whole is the template that every pod gets.
func whole(text string) func(values) {
	return func(v values) { v.template("sidecar", text) }
}

// content gives the whole text of the key config.
func content(text string) func(values) {
	return func(v values) { v["injectConfig"] = map[string]any{"content": text} }
}

func indented(by int, lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat(" ", by), line)
	}
	return b.String()
}

func syntaxMistakes() []mistake {
	return []mistake{
		{name: "an action that is not closed", values: before("{{ .Nothing"), first: true},
		{name: "an unknown function", values: before("# {{ nosuchfunction 1 }}"), says: []string{"nosuchfunction"}},
		{name: "if without end", values: before("{{ if true }}")},
		{name: "end without if", values: before("{{ end }}")},
		{name: "a template that is not defined", values: before(`{{ template "nobody" . }}`)},
		{name: "a template that calls itself for ever", values: before(`{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`), first: true},
		{name: "a field that the data do not have", values: before("# {{ .NoSuchThing.x }}")},
		{name: "a method of a text", values: before("# {{ .ObjectMeta.Name.Nothing }}")},
		{name: "a function with the wrong argument", values: before(`# {{ index .Spec.Containers "x" }}`)},
		{name: "fail", values: before(`{{ fail "never" }}`), says: []string{"never"}},
		{name: "a template that only an alias names", values: func(v values) { v.template("logger", "{{ .Nothing.x.y }}") }},
		{name: "a template that nobody names", values: func(v values) { v.template("spare", "{{ nosuchfunction }}") }},
		{
			name: "two mistakes in one, both told of", says: []string{"nosuchfunction", "sometimes"},
			edit: func(o *objects) {
				o.inject.Data["config"] = "policy: sometimes\ntemplates:\n  sidecar: |\n    # {{ nosuchfunction 1 }}\n"
			},
		},
	}
}

func boundMistakes() []mistake {
	many := func(n int, text string) string { return strings.Repeat(text, n) }
	return []mistake{
		{name: "printf with a width of a hundred million", values: before(`# {{ printf "%99999999d" 1 }}`), first: true},
		{name: "repeat of a gigabyte", values: before(`# {{ repeat 1000000000 "x" }}`)},
		{name: "output beyond the limit", values: before(`# {{ range until 9000 }}` + many(200, "x") + `{{ end }}`)},
		{name: "steps beyond the limit", values: before(`{{ range until 9000 }}{{ range until 9000 }}{{ end }}{{ end }}`)},
		{name: "more templates than may be", values: func(v values) {
			for i := range 201 {
				v.template(fmt.Sprintf("t%d", i), "spec: {}")
			}
		}},
		{name: "a name of 300 bytes", values: func(v values) { v.template(many(300, "n"), "spec: {}") }},
		{name: "more actions than may be", values: before("# " + many(20001, "{{1}}"))},
		{name: "blocks a thousand deep", values: before(many(1001, "{{if true}}") + many(1001, "{{end}}"))},
		{name: "more selectors than may be", values: func(v values) {
			var list []any
			for i := range 1001 {
				list = append(list, map[string]any{"matchLabels": map[string]any{"a": fmt.Sprint(i)}})
			}
			v["neverInjectSelector"] = list
		}},
		{name: "aliases of YAML that stand for gigabytes", edit: func(o *objects) { o.inject.Data["config"] = yamlBomb() }},
		{name: "aliases of YAML in what is rendered", values: whole("spec:\n  containers:\n" + indented(2, strings.Split(strings.TrimSpace(yamlBomb()), "\n")))},
		{name: "a ConfigMap larger than may be", edit: func(o *objects) {
			o.inject.Data["config"] += "\n# " + many(1<<20, "x")
		}},
		{name: "values a hundred thousand deep", edit: func(o *objects) {
			o.inject.Data["values"] = many(100_000, "[") + many(100_000, "]")
		}},
	}
}

// yamlBomb is a few lines that stand for 10^9 values.
func yamlBomb() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return text
}

func outputMistakes() []mistake {
	return []mistake{
		{name: "output that is a list", values: whole("- name: hello-proxy\n  image: a\n"), first: true},
		{name: "output that is a text", values: whole("hello")},
		{name: "output that is not YAML", values: whole("spec:\n  containers: [\n")},
		{name: "a wrong indentation", values: whole("spec:\n  containers:\n  - name: hello-proxy\n   image: a\n")},
		{name: "a tab", values: whole("spec:\n\tcontainers: []\n")},
		{name: "containers that are a map", values: whole("spec:\n  containers: {name: hello-proxy, image: a}\n")},
		{name: "the dialect of another injector", values: whole("spec:\n  containers:\n  - name: hello-proxy\n    image: [[ .Values.image ]]\n")},
	}
}

func fieldMistakes() []mistake {
	return []mistake{
		{name: "a misspelt field of a container", values: whole("spec:\n  containers:\n  - name: hello-proxy\n    imagee: a\n"), first: true, says: []string{"imagee", "image"}},
		{name: "a misspelt field beside a good one", values: inSidecar("imagPullPolicy: Always"), says: []string{"imagPullPolicy", "imagePullPolicy"}},
		{name: "containers beside spec", values: whole("containers:\n- name: hello-proxy\n  image: a\n"), first: true, says: []string{"containers"}},
		{name: "a misspelt spec", values: whole("specs:\n  containers:\n  - {name: hello-proxy, image: a}\n")},
		{name: "a misspelt field of a field", values: inSidecar("securityContext: {runAsNonRooot: true}"), says: []string{"runAsNonRoot"}},
		{name: "a misspelt field of the metadata", values: inPod("metadata:", "  label: {a: b}")},
		{name: "a text for a number", values: inSidecar(`ports: [{containerPort: "http"}]`)},
		{name: "a map for a list", values: inSidecar("args: {a: b}")},
		{name: "a number for a text", values: inSidecar("workingDir: 3")},
		{name: "a misspelt field in the template of an alias", values: func(v values) {
			v.template("logger", "spec:\n  containers:\n  - {name: logger, image: a, comand: [x]}\n")
		}},
	}
}

func podMistakes() []mistake {
	return []mistake{
		{name: "a container whose name is no name", values: inSpec("- {name: X_Bad, image: a}"), first: true, says: []string{"X_Bad"}},
		{name: "a mount of an unknown volume", values: inSidecar("volumeMounts: [{name: nobody, mountPath: /x}]"), says: []string{"nobody"}},
		{name: "two containers of one name", values: inSpec("- {name: twin, image: a}", "- {name: twin, image: b}")},
		{name: "a container without an image", values: inSpec("- {name: bare}")},
		{name: "a container without a name", values: inSpec("- {image: a}")},
		{name: "a port of 99999", values: inSidecar("ports: [{containerPort: 99999}]")},
		{name: "two ports of one name", values: inSidecar("ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]")},
		{name: "a port of an unknown protocol", values: inSidecar("ports: [{containerPort: 1, protocol: HTTP}]")},
		{name: "more requested than the limit", values: inSidecar("resources: {requests: {cpu: 2}, limits: {cpu: 1}}")},
		{name: "a quantity that is none", values: inSidecar("resources: {requests: {cpu: lots}}")},
		{name: "a volume with two sources", values: inSpec("volumes:", "- {name: two, emptyDir: {}, hostPath: {path: /x}}")},
		{name: "two volumes of one name", values: inSpec("volumes:", "- {name: two, emptyDir: {}}", "- {name: two, hostPath: {path: /x}}")},
		{name: "two mounts at one place", values: inSpec("volumes:", "- {name: v, emptyDir: {}}", "initContainers:", "- {name: i, image: a, volumeMounts: [{name: v, mountPath: /x}, {name: v, mountPath: /x, subPath: z}]}")},
		{name: "a probe without a way", values: inSidecar("livenessProbe: {periodSeconds: 1}")},
		{name: "a probe with two ways", values: inSidecar("livenessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}}")},
		{name: "a label that is no label", values: inPod("metadata:", "  labels: {a: 'b c'}")},
		{name: "an annotation whose key is no key", values: inPod("metadata:", "  annotations: {'a b': c}")},
		{name: "an unknown pull policy", values: inSidecar("imagePullPolicy: Sometimes")},
		{name: "an unknown restart policy", values: inSpec("initContainers:", "- {name: i, image: a, restartPolicy: Sometimes}")},
		{name: "privileged without escalation", values: inSidecar("securityContext: {privileged: true, allowPrivilegeEscalation: false}")},
		{name: "a hook without a way", values: inSidecar("lifecycle: {preStop: {}}")},
		{name: "a variable without a name", values: inSpec("- {name: second, image: a, env: [{name: '', value: x}]}")},
		{name: "a variable with two values", values: inSpec("- {name: second, image: a, env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}")},
		{name: "annotations of all pods that are none", values: func(v values) { v["injectedAnnotations"] = map[string]any{"a b": "c"} }},
	}
}

func valueMistakes() []mistake {
	return []mistake{
		{name: "a value that is not there", values: whole(strings.Replace(sidecar(badMark), "{{ .Values.image }}", "{{ .Values.globl.hub }}/x", 1)), first: true, says: []string{"globl"}},
		{name: "a value that is not there, as a variable", values: inSpec("- {name: second, image: a, env: [{name: A, value: '{{ .Values.nothing }}'}]}")},
		{name: "a value that is taken away", values: func(v values) {
			v.template("sidecar", sidecar(badMark))
			v["templateValues"] = map[string]any{}
		}},
		{name: "values that are no JSON", edit: func(o *objects) { o.inject.Data["values"] = `{"image": ` }},
		{name: "values that are a list", edit: func(o *objects) { o.inject.Data["values"] = "[1, 2]" }},
	}
}

func meshMistakes() []mistake {
	return []mistake{
		{name: "a mesh configuration that is not YAML", edit: func(o *objects) { o.mesh.Data["mesh"] = "a: [" }, first: true},
		{name: "a mesh configuration that is a list", edit: func(o *objects) { o.mesh.Data["mesh"] = "[a]" }},
		{name: "a number for an object of the mesh configuration", values: func(v values) { v["meshConfig"] = map[string]any{"defaultConfig": 3} }},
		{name: "an unknown mode of the mesh configuration", values: func(v values) {
			v["meshConfig"] = map[string]any{"outboundTrafficPolicy": map[string]any{"mode": "SOMETIMES"}}
		}},
		{name: "a duration that is none", values: func(v values) {
			v["meshConfig"] = map[string]any{"defaultConfig": map[string]any{"drainDuration": "soon"}}
		}},
		{name: "the key mesh emptied", edit: func(o *objects) { delete(o.mesh.Data, "mesh") }},
	}
}

func textMistakes() []mistake {
	templates := "templates:\n  sidecar: |\n" + indented(4, strings.Split(strings.TrimSpace(sidecar(badMark)), "\n"))
	good := "policy: enabled\n" + templates
	return []mistake{
		{name: "a configuration that is not YAML", values: content("templates: {"), first: true},
		{name: "a configuration that is a text", values: content("hello")},
		{name: "an unknown policy", values: content("policy: sometimes\n" + templates)},
		{name: "templates that are a list", values: content("policy: enabled\ntemplates: [a]\n")},
		{name: "no templates", values: content("policy: enabled\n")},
		{name: "a default template that is not there", values: content(good + "defaultTemplates: [nobody]\n"), says: []string{"nobody"}},
		{name: "a selector with an unknown operator", values: content(good + "neverInjectSelector:\n- matchExpressions: [{key: a, operator: Like, values: [b]}]\n")},
		{name: "a selector with a value that is none", values: content(good + "alwaysInjectSelector:\n- matchLabels: {a: 'b c'}\n")},
		{name: "an unknown strictness", values: content(good + "fieldValidation: Sometimes\n")},
		{name: "the classic dialect, an action that is not closed", values: content("policy: enabled\ntemplate: |\n  containers:\n  - name: [[ .Nothing\n")},
		{name: "the classic dialect, an unknown function", values: content("policy: enabled\ntemplate: |\n  containers:\n  - name: [[ nosuchfunction 1 ]]\n")},
		{name: "the classic dialect, no image", values: content("policy: enabled\ntemplate: |\n  containers:\n  - name: hello-proxy\n")},
	}
}

func objectMistakes() []mistake {
	const nobodyIsAsked = "the guard is not asked about a deletion"
	return []mistake{
		{name: "the key config emptied", edit: func(o *objects) { o.inject.Data["config"] = "" }, first: true},
		{name: "the key config gone", edit: func(o *objects) { delete(o.inject.Data, "config") }},
		{name: "all keys gone", edit: func(o *objects) { o.inject.Data, o.mesh.Data = nil, nil }},
		{name: "the key config as bytes", edit: func(o *objects) {
			o.inject.BinaryData = map[string][]byte{"config": []byte(o.inject.Data["config"])}
			delete(o.inject.Data, "config")
		}},
		{name: "the injection ConfigMap deleted", edit: func(o *objects) { o.inject = nil }, stored: nobodyIsAsked, first: true},
		{name: "the mesh ConfigMap deleted", edit: func(o *objects) { o.mesh = nil }, stored: nobodyIsAsked},
		{name: "both ConfigMaps deleted", edit: func(o *objects) { o.inject, o.mesh = nil, nil }, stored: nobodyIsAsked},
		{name: "half of a pair, the injection ConfigMap", edit: func(o *objects) {
			o.inject.Data["config"] = strings.ReplaceAll(o.inject.Data["config"], o.mark, badMark)
			o.inject.Data["generation"] = "next"
		}, stored: half, first: true},
		{name: "half of a pair, the mesh ConfigMap", edit: func(o *objects) {
			o.mesh.Data["mesh"] = strings.Replace(o.mesh.Data["mesh"], "trustDomain: cluster.local", "trustDomain: "+badMark+".local", 1)
			o.mesh.Data["generation"] = "next"
		}, stored: half},
	}
}
