package chart

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// branch matches an action that begins a part of a template which only some pods reach.
var branch = regexp.MustCompile(`\{\{-?\s*(?:if|with|range|else)\b(?:[^}"]|"(?:\\.|[^"\\])*"|\}[^}])*\}\}`)

// Whatever part of a template is broken, the trial of a configuration notices: of the
// built-in template, with the values that lead there, and of the demo's.
func TestSamplePodsReachEveryBranch(t *testing.T) {
	usual := configurationOf(t, install{})
	more := configurationOf(t, install{setJSON: []string{
		`global.imagePullSecrets=["pull"]`, `global.imagePullPolicy="Always"`, `global.logAsJson=true`, `global.sts.servicePort=15463`, `global.network="n"`,
		`global.mountMtlsCerts=true`, `global.proxy.seccompProfile={"type":"RuntimeDefault"}`, `global.proxy.outlierLogPath="/log"`, `global.proxy.startupProbe.enabled=true`,
		`global.proxy_init.forceApplyIptables=true`, `revision="canary"`, `meshConfig.inboundTrafficPolicy={"mode":"LOCALHOST"}`, `meshConfig.defaultConfig.proxyMetadata={"A":"b"}`,
		`global.proxy.lifecycle={"preStop":{"exec":{"command":["true"]}}}`, `global.proxy.includeOutboundPorts="1"`, `global.proxy.excludeOutboundPorts="2"`,
		`global.proxy.excludeIPRanges="10.0.0.0/8"`, `meshConfig.extensionProviders=[{"name":"o","opentelemetry":{"service":"o","port":4317,"serviceAttributeEnrichment":"OTEL_SEMANTIC_CONVENTIONS"}}]`,
	}})
	node := configurationOf(t, install{setJSON: []string{`pilot.cni.enabled=true`, `pilot.cni.provider="multus"`, `global.proxy.startupProbe.enabled=false`, `global.pilotCertProvider="custom"`}})
	for name, tc := range map[string]struct {
		template string
		with     []config.Sources
	}{
		"built-in": {string(read(t, filepath.Join(dir, "files", "sidecar.yaml"))), []config.Sources{usual, more, node}},
		"demo 1":   {string(read(t, filepath.Join(dir, "..", "..", "scripts", "demo", "sidecar-1.yaml"))), []config.Sources{usual}},
		"demo 2":   {string(read(t, filepath.Join(dir, "..", "..", "scripts", "demo", "sidecar-2.yaml"))), []config.Sources{usual}},
	} {
		branches := branch.FindAllStringIndex(tc.template, -1)
		if want := strings.Count(tc.template, "end }}"); len(branches) < want {
			t.Errorf("%s: %d branches found, and %d ends of them", name, len(branches), want)
		}
		for i, at := range branches {
			text := tc.template[:at[1]] + fmt.Sprintf(`{{ fail "branch %d is reached" }}`, i) + tc.template[at[1]:]
			if !reached(t, tc.with, text, fmt.Sprintf("branch %d is reached", i)) {
				t.Errorf("%s: no sample pod leads beyond line %d: %s", name, 1+strings.Count(tc.template[:at[0]], "\n"), tc.template[at[0]:at[1]])
			}
		}
	}
}

// configurationOf is the configuration that the chart makes.
func configurationOf(t *testing.T, in install) config.Sources {
	t.Helper()
	objects := in.render(t)
	injection, mesh := configMap(t, objects, "/etc/istio/inject"), configMap(t, objects, "/etc/istio/config")
	return config.Sources{
		Inject: config.Source{Name: "config", Data: []byte(injection["config"])},
		Values: config.Source{Name: "values", Data: []byte(injection["values"])},
		Mesh:   config.Source{Name: "mesh", Data: []byte(mesh["mesh"])},
	}
}

// reached reports whether the trial tells a text that the template fails with.
func reached(t *testing.T, with []config.Sources, template, text string) bool {
	t.Helper()
	for _, sources := range with {
		var whole map[string]any
		if err := yaml.Unmarshal(sources.Inject.Data, &whole); err != nil {
			t.Fatal(err)
		}
		whole["templates"] = map[string]string{"sidecar": template}
		data, err := yaml.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		sources.Inject.Data = data
		s, found := inject.Load(t.Context(), sources, inject.Options{CompliancePolicy: "fips-140-3"})
		if s == nil {
			t.Fatal(found.Err())
		}
		if strings.Contains(fmt.Sprint(found.Errors, found.Warnings), text) {
			return true
		}
	}
	return false
}
