//go:build e2e

package badconfig

import (
	"fmt"
	"strings"
)

// good is a change that must come into force, however unusual it is: a guard that
// refuses everything is no guard. values makes it, over a good configuration whose
// mark is mark.
type good struct {
	name   string
	values func(v values, mark string)
	// first has the short form try it in every way.
	first bool
	// one is set in the classic dialect, which has one template.
	one bool
}

func goods() []good {
	container := func(v values, mark string, lines ...string) {
		v.template("sidecar", sidecar(mark)+indented(4, lines))
	}
	spec := func(v values, mark string, lines ...string) {
		v.template("sidecar", sidecar(mark)+indented(2, lines))
	}
	return []good{
		{name: "another greeting", values: func(values, string) {}, first: true},
		{name: "a template that refuses some pods", values: func(v values, mark string) {
			v.template("sidecar", `{{ if eq .ObjectMeta.Name "nobody" }}{{ fail "not for you" }}{{ end }}`+"\n"+sidecar(mark))
		}},
		{name: "a template that needs an annotation of the pod", values: func(v values, mark string) {
			v.template("sidecar", `{{ with index .ObjectMeta.Annotations "lab.example.com/limit" }}# {{ . | atoi }}{{ end }}`+"\n"+sidecar(mark))
		}},
		{name: "a volume without a source, which is an empty one", values: func(v values, mark string) {
			spec(v, mark, "volumes:", "- {name: scratch}")
		}},
		{name: "a mount of a volume of the same template", values: func(v values, mark string) {
			v.template("sidecar", sidecar(mark)+indented(4, []string{"volumeMounts: [{name: scratch, mountPath: /s}]"})+indented(2, []string{"volumes:", "- {name: scratch, emptyDir: {}}"}))
		}},
		{name: "one port number twice, under two protocols", values: func(v values, mark string) {
			container(v, mark, "ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53, protocol: TCP}]")
		}},
		{name: "a variable that refers to another", values: func(v values, mark string) {
			spec(v, mark, "- {name: second, image: a, env: [{name: A.b-c, value: $(B)}]}")
		}},
		{name: "an image with a port and a digest", values: func(v values, mark string) {
			spec(v, mark, `- {name: second, image: "lab.example.com:5000/a/b:1@sha256:`+strings.Repeat("0", 64)+`"}`)
		}},
		{name: "a native sidecar with every probe", values: func(v values, mark string) {
			spec(v, mark, "initContainers:", "- {name: native, image: a, restartPolicy: Always, startupProbe: {exec: {command: [a]}}, livenessProbe: {grpc: {port: 1}}, readinessProbe: {httpGet: {port: 1}}}")
		}},
		{name: "an ephemeral volume claim, a projected volume, the downward API", values: func(v values, mark string) {
			spec(
				v, mark, "volumes:",
				"- {name: claim, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}",
				"- {name: projected, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 3600}}, {configMap: {name: a}}]}}",
				"- {name: down, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}",
			)
		}},
		{name: "a newer field that is asked for", values: func(v values, mark string) {
			container(v, mark, "someNewField: true")
			v["additionalFields"] = []any{"spec.containers.someNewField"}
		}},
		{name: "an unknown field, and no strictness asked for", values: func(v values, mark string) {
			container(v, mark, "someNewField: true")
			v["fieldValidation"] = "Warn"
		}},
		{name: "a configuration brought along, with an unknown field", values: func(v values, mark string) {
			content(brought(mark) + indented(8, []string{"someNewField: true"}))(v)
		}},
		{name: "the classic dialect", one: true, values: func(v values, mark string) {
			content(fmt.Sprintf("policy: enabled\ntemplate: |\n  containers:\n  - name: hello-proxy\n    image: a\n    env:\n    - {name: GREETING, value: %s}\n", mark))(v)
		}},
		{name: "no value, made good by default", values: func(v values, mark string) {
			spec(v, mark, `- {name: second, image: '{{ .Values.nothing | default "a" }}'}`)
		}},
		{name: "a comment with a value that is not there", values: func(v values, mark string) {
			v.template("sidecar", "# {{/* {{ .Values.globl }} */}}\n"+sidecar(mark))
		}},
		{name: "half a megabyte of comments", values: func(v values, mark string) {
			v.template("sidecar", sidecar(mark)+strings.Repeat("# "+strings.Repeat("x", 97)+"\n", 5000))
		}},
		{name: "texts that are not ASCII", values: func(v values, mark string) {
			spec(v, mark, `- {name: second, image: a, env: [{name: A, value: "grüße 你好 🙂"}]}`)
		}},
		{name: "selectors and annotations", values: func(v values, _ string) {
			v["neverInjectSelector"] = []any{map[string]any{"matchExpressions": []any{map[string]any{"key": "job", "operator": "Exists"}}}}
			v["injectedAnnotations"] = map[string]any{"lab.example.com/injected": "yes"}
		}},
		{name: "a change of the mesh configuration", values: func(v values, _ string) {
			v["meshConfig"] = map[string]any{"defaultConfig": map[string]any{"drainDuration": "30s"}, "outboundTrafficPolicy": map[string]any{"mode": "REGISTRY_ONLY"}}
		}},
		{name: "a patch that deletes by name", values: func(v values, mark string) {
			spec(v, mark, "- {name: nobody, $patch: delete}")
		}},
	}
}

// brought is the key config of another injector, with the two templates of the
// base.
func brought(mark string) string {
	return "policy: enabled\ndefaultTemplates: [sidecar]\naliases: {" + alias + ": [sidecar, logger]}\ntemplates:\n" +
		"  logger: |\n" + indented(4, strings.Split(strings.TrimSpace(logger), "\n")) +
		"  sidecar: |\n" + indented(4, strings.Split(strings.TrimSpace(sidecar(mark)), "\n"))
}
