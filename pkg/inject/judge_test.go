package inject_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// withContainer is a template that adds a container with more lines.
func withContainer(lines ...string) string {
	return "spec:\n  containers:\n  - name: proxy\n    image: proxy\n" + strings.Join(lines, "\n") + "\n"
}

// needsAnnotation is a template that refuses a pod without the annotation a.
const needsAnnotation = `spec: {serviceAccountName: {{ index .ObjectMeta.Annotations "a" }}}{{ if not (index .ObjectMeta.Annotations "a") }}{{ fail "give a" }}{{ end }}`

// indented is a text as a block of YAML.
func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

// What is wrong with what a template renders, by the words that it is told with. Whether it
// refuses the configuration depends on fieldValidation for some, see strictOnly.
func TestWhatTemplatesMustNotRender(t *testing.T) {
	for name, tc := range map[string]struct {
		template, want string
		strictOnly     bool
	}{
		"misspelled":          {withContainer("    imagee: a"), `config.yaml:8:9: template "sidecar": spec.containers[proxy].imagee: Kubernetes has no such field, did you mean "image"?`, true},
		"case":                {withContainer("    securitycontext: {}"), `spec.containers[proxy].securitycontext: Kubernetes has no such field, did you mean "securityContext"?`, true},
		"at the top":          {"containers:\n- name: proxy\n  image: a\n", `config.yaml:4:5: template "sidecar": containers: Kubernetes has no such field, it belongs under "spec"`, true},
		"of the pod's spec":   {withContainer("    volumes: []"), `spec.containers[proxy].volumes: Kubernetes has no such field, it belongs under "spec"`, true},
		"one level down":      {withContainer("    runAsUser: 1"), `spec.containers[proxy].runAsUser: Kubernetes has no such field, it belongs under "securityContext"`, true},
		"within":              {withContainer("    securityContext:", "      capabilities:", "        ads: [A]"), `spec.containers[proxy].securityContext.capabilities.ads: Kubernetes has no such field, did you mean "add"?`, true},
		"from nowhere":        {"kindness: high\n", `kindness: Kubernetes has no such field, there are apiVersion, kind, metadata, spec, status (a field of a newer version of Kubernetes is to be listed in additionalFields: kindness)`, true},
		"a generated name":    {withContainer("    {{ print \"no\" \"thing\" }}: 1"), `config.yaml:4:5: template "sidecar": spec.containers[proxy].nothing: Kubernetes has no such field`, true},
		"no value":            {withContainer("    workingDir: {{ .Values.globl.hub }}"), `config.yaml:8:24: template "sidecar" at .Values.globl.hub: gives <no value>`, true},
		"no value in an item": {withContainer("    args: [a, '{{ .Values.x }}']"), `template "sidecar" at .Values.x: gives <no value>`, true},
		"a wrong format":      {withContainer("    workingDir: '{{ printf \"%s\" .Values.x }}'"), `spec.containers[proxy].workingDir: holds "%!s(<nil>)": a value that the template prints is not there, or of another type`, true},
		"no value in an image": {
			"spec: {containers: [{name: a, image: '{{ .Values.globl.hub }}/x'}]}", `config.yaml:4:46: template "sidecar" at .Values.globl.hub: gives <no value>`, false,
		},
		"a name":          {"spec: {containers: [{name: X_Bad, image: a}]}", `config.yaml:4:32: template "sidecar": spec.containers[X_Bad].name: invalid value "X_Bad", API servers refuse it: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character`, false},
		"no image":        {"spec: {containers: [{name: a}]}", `template "sidecar": spec.containers[a].image: API servers refuse it: is required`, false},
		"image":           {"spec: {containers: [{name: a, image: a//b}]}", `spec.containers[a].image: invalid value "a//b", no kubelet can read it: is not the name of an image`, false},
		"image, capitals": {"spec: {containers: [{name: a, image: x/B}]}", `spec.containers[a].image: invalid value "x/B", no kubelet can read it`, true},
		"a mount":         {withContainer("    volumeMounts: [{name: nothing, mountPath: /a}]"), `spec.containers[proxy].volumeMounts[/a].name: invalid value "nothing", API servers refuse it: the pod has no such volume, or there is something wrong with it`, false},
		"mounts":          {withContainer("    volumeMounts: [{name: v, mountPath: /a, subPath: ../x}]") + "  volumes: [{name: v, emptyDir: {}}]", `spec.containers[proxy].volumeMounts[/a].subPath: invalid value "../x", API servers refuse it: must not contain '..'`, false},
		"names of ports":  {withContainer("    ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]"), `spec.containers[proxy].ports[a].name: invalid value "a", API servers refuse it: is given to two ports of the container`, false},
		"resources":       {withContainer("    resources: {requests: {cpu: 2}, limits: {cpu: 1}}"), `spec.containers[proxy].resources.requests[cpu]: invalid value "2", API servers refuse it: must not be more than the limit, 1`, false},
		"env":             {withContainer("    env: [{name: 'a=b', value: c}]"), `spec.containers[proxy].env[a=b].name: invalid value "a=b", API servers refuse it`, false},
		"probe":           {withContainer("    readinessProbe: {httpGet: {port: 0}}"), `spec.containers[proxy].readinessProbe.httpGet.port: invalid value "0", API servers refuse it: must be from 1 to 65535`, false},
		"two sources":     {withContainer() + "  volumes: [{name: v, emptyDir: {}, configMap: {name: c}}]", `spec.volumes[v]: invalid value "emptyDir, configMap"`, false},
		"label":           {withContainer() + "metadata: {labels: {a: 'b c'}}", `metadata.labels[a]: invalid value "b c", API servers refuse it`, false},
		"probe of an init container": {
			"spec: {initContainers: [{name: a, image: a, livenessProbe: {exec: {command: [a]}}}]}", `spec.initContainers[a].livenessProbe: API servers refuse it: may not be set for an init container without restartPolicy: Always`, false,
		},
	} {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, strict %v", name, strict), func(t *testing.T) {
				text := "policy: enabled\ntemplates:\n  sidecar: |\n" + indented(tc.template)
				if strict {
					text += "fieldValidation: Strict\n"
				}
				s, found := load(t, text)
				var errs []string
				for _, err := range found.Errors {
					errs = append(errs, err.Error())
				}
				told, other := errs, found.Warnings
				if tc.strictOnly && !strict {
					told, other = other, told
				}
				if s == nil || !strings.Contains(strings.Join(told, "\n"), tc.want) || strings.Contains(strings.Join(other, "\n"), tc.want) {
					t.Errorf("errors:\n%s\nwarnings:\n%s\nwant:\n%s", strings.Join(errs, "\n"), strings.Join(found.Warnings, "\n"), tc.want)
				}
			})
		}
	}
}

// The classic dialect has keys of its own; its containers are those of a pod.
func TestWhatAClassicTemplateMustNotRender(t *testing.T) {
	for template, want := range map[string]string{
		"containers:\n- name: a\n  imagee: a\n  image: b\n":                            `config.yaml:6:5: template "template": containers[a].imagee: Kubernetes has no such field, did you mean "image"?`,
		"spec:\n  containers: []\n":                                                    `spec: Kubernetes has no such field, there are containers, dnsConfig, imagePullSecrets, initContainers, rewriteAppHTTPProbe, securityContext, volumes`,
		"container:\n- name: a\n":                                                      `container: Kubernetes has no such field, did you mean "containers"?`,
		"containers:\n- name: X_Bad\n  image: b\n":                                     `template "template": spec.containers[X_Bad].name: invalid value "X_Bad"`,
		"containers:\n- name: a\n  image: b\n  args: [ [[- .MeshConfig.Nothing ]] ]\n": `Nothing`,
	} {
		_, found := load(t, "policy: enabled\nfieldValidation: Strict\ntemplate: |\n"+strings.ReplaceAll(indented(template), "    ", "  "))
		if err := found.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %s", template, err, want)
		}
	}
}

// What others may read names the place and says nothing that the configuration holds.
func TestPublicWordsOfATrial(t *testing.T) {
	for template, want := range map[string]string{
		"spec: {containers: [{name: S3_cret, image: a}]}":                      "spec.containers[0].name: API servers refuse it",
		"spec: {containers: [{name: a, image: 's3cret image'}]}":               "spec.containers[0].image: no kubelet can read it",
		"metadata: {labels: {a: 's3cret text'}}":                               "metadata.labels: API servers refuse it",
		"spec: {s3cret-key: 1}":                                                "spec.(not shown): Kubernetes has no such field",
		"spec: {hostname: '<no value> s3cret'}":                                "spec.hostname: ",
		"metadata: {annotations: {a: '{{ printf \"s3cret %d\" .Values.x }}'}}": "metadata.annotations.a: holds the mark",
	} {
		s, found := load(t, "policy: enabled\nfieldValidation: Strict\ntemplates:\n  sidecar: |\n"+indented(template))
		if s == nil || len(found.Errors) == 0 {
			t.Errorf("%s: no error", template)
			continue
		}
		var texts []string
		for _, err := range found.Errors {
			texts = append(texts, err.(interface{ Public() string }).Public())
		}
		public := strings.Join(append(texts, found.PublicWarnings()...), "\n")
		if strings.Contains(strings.ToLower(public), "s3") || !strings.Contains(public, want) {
			t.Errorf("%s: got %s\nwant %s", template, public, want)
		}
	}
}

// The largest configurations are judged in the time that they have: not every template of
// many is tried on every sample, and none is refused for that.
func TestTrialsOfManyTemplates(t *testing.T) {
	var b strings.Builder
	b.WriteString("policy: enabled\ndefaultTemplates: [t0]\ntemplates:\n")
	for i := range 199 {
		fmt.Fprintf(&b, "  t%d: |\n    metadata: {annotations: {a: %q}}\n", i, strings.Repeat("x", 4000))
	}
	fmt.Fprintf(&b, "  zz: |\n%s", indented("{{ if not .Spec.InitContainers }}{{ fail \"no\" }}{{ end }}"))
	values := config.Source{Name: "values", Data: []byte("a: " + strings.Repeat("x", 900_000))}
	for name, src := range map[string]config.Sources{"small values": sources(b.String()), "large values": sources(b.String())} {
		if name == "large values" {
			src.Values = values
		}
		s, found := inject.Load(t.Context(), src, inject.Options{})
		if s == nil || found.Err() != nil {
			t.Errorf("%s: refused: %.300v", name, found.Err())
		}
		if untried := strings.Contains(strings.Join(found.Warnings, "\n"), "templates were not tried, from "); untried != (name == "large values") {
			t.Errorf("%s: warnings %.300q", name, found.Warnings)
		}
	}
}

func TestAdditionalFields(t *testing.T) {
	text := "policy: enabled\nfieldValidation: Strict\nadditionalFields: [spec.containers.newField, spec.containers.readinessProbe.ask]\ntemplates:\n  sidecar: |\n" +
		indented(withContainer("    newField: 1", "    readinessProbe: {ask: {port: 1}}"))
	if _, found := load(t, text); found.Err() != nil || len(found.Warnings) > 0 {
		t.Errorf("asked for: %v, %q", found.Err(), found.Warnings)
	}
	if _, found := load(t, strings.Replace(text, "spec.containers.newField, ", "", 1)); found.Err() == nil || !strings.Contains(found.Err().Error(), "spec.containers[proxy].newField: Kubernetes has no such field") {
		t.Errorf("one is not asked for: %v", found.Err())
	}
}

// Templates that pods name are tried as well: alone, after the default ones, in aliases,
// and by the configuration's own sample pods.
func TestTemplatesThatPodsName(t *testing.T) {
	begin := "policy: enabled\ntemplates:\n  sidecar: |\n" + indented(withContainer()) + "  other: |\n"
	for name, tc := range map[string]struct{ rest, want string }{
		"a good one":               {indented(withContainer()), ""},
		"broken":                   {indented("spec: {containers: [{name: X_Bad, image: a}]}"), `template "other": spec.containers[X_Bad].name`},
		"fails":                    {indented("{{ .Nothing }}"), `template "other" at .Nothing`},
		"after the default ones":   {indented("spec: {containers: [{name: proxy, tty: true}]}"), ""},
		"needs another one":        {indented("spec: {containers: [{name: more, tty: true}]}"), `template "other": spec.containers[more].image`},
		"in an alias":              {indented("spec: {containers: [{name: more, tty: true}]}") + "  base: |\n" + indented("spec: {containers: [{name: more, image: a}]}") + "aliases: {both: [base, other]}\n", ""},
		"in an alias that is none": {indented("spec: {containers: [{name: more, tty: true}]}") + "aliases: {both: [other]}\n", `template "other": spec.containers[more].image`},
		"for a pod that is given": {
			indented(needsAnnotation) +
				"samplePods: [{metadata: {annotations: {a: x, inject.istio.io/templates: other}}, spec: {containers: [{name: a, image: a}]}}]\n", "",
		},
		"for a pod that is not given": {indented(needsAnnotation), "give a"},
		"of another kind":             {indented("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: {{ .Service }}}"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, found := load(t, begin+tc.rest)
			err := found.Err()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if other := name == "of another kind"; other != strings.Contains(strings.Join(found.Warnings, "\n"), "makes a ServiceAccount, not a pod") {
				t.Errorf("warnings %q", found.Warnings)
			}
			if tc.want == "" && name != "of another kind" && len(found.Warnings) > 0 && !strings.HasPrefix(name, "for a pod") {
				t.Errorf("warnings %q", found.Warnings)
			}
		})
	}
	_, found := load(t, begin+indented("kind: ServiceAccount\nmetadata: {name: {{ .Service }}}")+"fieldValidation: Strict\n")
	if found.Err() == nil {
		t.Error("a template of the chart's own values makes no pod, and is taken")
	}
}

// A pod that is given makes the difference for templates that need what no built-in one has.
func TestSamplePods(t *testing.T) {
	text := "policy: enabled\ntemplates:\n  sidecar: |\n" + indented(needsAnnotation)
	if _, found := load(t, text); found.Err() == nil {
		t.Error("no sample gives what the template needs, and nothing is wrong")
	}
	_, found := load(t, text+"samplePods: [{metadata: {name: mine, annotations: {a: x}}, spec: {containers: [{name: a, image: a}]}}]\n")
	if found.Err() != nil || !strings.Contains(strings.Join(found.Warnings, "\n"), "give a (on the sample pod \"plain\", \"served\", \"workload\"") {
		t.Errorf("got %v, warnings %q", found.Err(), found.Warnings)
	}
}

// What is wrong with pods of the setting for native sidecars that the cluster has, is
// wrong with every pod.
func TestNativeSidecarsOfTheCluster(t *testing.T) {
	text := "policy: enabled\ntemplates:\n  sidecar: |\n" + indented("spec: {containers: [{name: {{ if .NativeSidecars }}X_Bad{{ else }}good{{ end }}, image: a}]}")
	for _, native := range []bool{false, true} {
		_, found := inject.Load(t.Context(), sources(text), inject.Options{Cluster: cluster{native: native}})
		if refused := found.Err() != nil; refused != native || !refused && len(found.Warnings) != 1 {
			t.Errorf("native %v: got %v, %q", native, found.Err(), found.Warnings)
		}
	}
}

// Lists of what pods may do leave no sample that does more.
func TestSamplesAreAllowedPods(t *testing.T) {
	_, found := load(t, "policy: enabled\nallowedAnnotations: []\nallowedOverrides: []\ntemplates:\n  sidecar: |\n"+indented(withContainer()))
	if found.Err() != nil || len(found.Warnings) > 0 {
		t.Errorf("got %v, warnings %q", found.Err(), found.Warnings)
	}
}
