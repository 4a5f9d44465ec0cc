package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

const minimal = "policy: enabled\ntemplates:\n  sidecar: 'spec: {}'\n"

func parse(inject, mesh, values string) (*Config, error) {
	return Parse(Sources{
		Inject: Source{Name: "config", Data: []byte(inject)},
		Mesh:   Source{Name: "mesh", Data: []byte(mesh)},
		Values: Source{Name: "values", Data: []byte(values)},
	})
}

func mustParse(t *testing.T, inject, mesh, values string) *Config {
	t.Helper()
	c, err := parse(inject, mesh, values)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every error comes at once, with file, line and field.
func TestParseReportsEveryError(t *testing.T) {
	inject := `policy: sometimes
defaultTemplates: [sidecar, nothing]
templates:
  sidecar: |
    spec: {}
  odd: [a]
aliases: 7
neverInjectSelectr: []
neverInjectSelector:
- matchLabels: {app: web}
- matchExpressions:
  - {key: app, operator: Sometimes}
- matchLabel: {app: web}
alwaysInjectSelector: {}
injectedAnnotations:
  a: {b: c}
policy: enabled
`
	mesh := `connectTimeout: soon
proxyListenPort: 70000
defaultConfig:
  drainDuration: [1]
  discoveryAddress: nowhere
  statusPort: 99999
`
	_, err := parse(inject, mesh, "[1, 2]")
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`config:1:9: policy: invalid value "sometimes", must be "enabled" or "disabled"`,
		`config:2:29: defaultTemplates[1]: there is no template named "nothing"; templates are odd, sidecar`,
		`config:6:3: templates.odd: found a list, but it must be a string`,
		`config:7:10: aliases: found the number 7, but it must be a mapping`,
		`config:8:1: neverInjectSelectr: unknown key, did you mean "neverInjectSelector"?`,
		`config:11:3: neverInjectSelector[1]: not a label selector: "Sometimes" is not a valid label selector operator`,
		`config:13:3: neverInjectSelector[2]: not a label selector: unknown field "matchLabel"`,
		`config:14:1: alwaysInjectSelector: found a mapping, but it must be a list of label selectors`,
		`config:16:3: injectedAnnotations.a: found a mapping, but it must be a string`,
		`config:17:1: policy: is set twice, first in line 1; remove one`,
		`mesh:1:17: connectTimeout: found the string "soon": invalid google.protobuf.Duration value "soon"`,
		`mesh:2:18: proxyListenPort: invalid value 70000, must be a port from 0 to 65535`,
		`mesh:4:3: defaultConfig.drainDuration: found a list: unexpected token [`,
		`mesh:5:21: defaultConfig.discoveryAddress: invalid value "nowhere", must be host:port with a port from 1 to 65535`,
		`mesh:6:15: defaultConfig.statusPort: invalid value 99999, must be a port from 0 to 65535`,
		`values:1:1: found a list, but the file must hold a mapping`,
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(want), len(got)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("error %d:\n got %q\nwant %q\nall:\n%v", i, slices.Concat(got, []string{"(none)"})[min(i, len(got))], slices.Concat(want, []string{"(none)"})[min(i, len(want))], err)
		}
	}
	var one *Error
	if !errors.As(err, &one) || one.File != "config" || one.Line != 1 || one.Field != "policy" {
		t.Errorf("the first error is %+v", one)
	}
}

func TestParseErrors(t *testing.T) {
	for name, tc := range map[string]struct{ inject, mesh, values, want string }{
		"empty":              {"", "", "", "config: the injection configuration is empty"},
		"only comments":      {"# nothing\n", "", "", "config: the injection configuration is empty"},
		"not YAML":           {"policy: [", "", "", "config:1:9: not valid YAML"},
		"tab":                {"policy: enabled\n\ttemplates: {}\n", "", "", "config:2:1: not valid YAML"},
		"a list":             {"- a\n", "", "", "config:1:1: found a list, but the file must hold a mapping"},
		"a word":             {"word\n", "", "", `config:1:1: found the string "word", but the file must hold a mapping`},
		"no policy":          {"templates: {sidecar: x}\n", "", "", `config: policy: is not set, must be "enabled" or "disabled"`},
		"no template":        {"policy: enabled\n", "", "", "config:1:1: templates: no template is given"},
		"empty template":     {"policy: enabled\ntemplate: ''\n", "", "", "no template is given"},
		"templates a string": {"policy: enabled\ntemplates: x\n", "", "", `config:2:12: templates: found the string "x", but it must map`},
		"no templates":       {"policy: enabled\ntemplates: {}\ntemplate: x\n", "", "", "config:2:12: templates: holds no template, every pod would be refused"},
		"default no list":    {minimal + "defaultTemplates: sidecar\n", "", "", "config:4:19: defaultTemplates: found the string \"sidecar\", but it must be a list of names"},
		"selector a string":  {minimal + "neverInjectSelector: [x]\n", "", "", "config:4:23: neverInjectSelector[0]: not a label selector"},
		"bad label":          {minimal + "neverInjectSelector: [{matchLabels: {app: 'a b'}}]\n", "", "", "config:4:23: neverInjectSelector[0]: not a label selector"},
		"odd key":            {minimal + "? [a]\n: b\n", "", "", "found a list as a key, but keys must be strings"},
		"mesh a list":        {minimal, "[]", "", "mesh:1:1: found a list"},
		"proxy config":       {minimal, "defaultConfig: 7", "", "mesh:1:16: defaultConfig: found the number 7, but it must be a mapping"},
		"allowed":            {minimal + "allowedAnnotations: ['*a']\n", "", "", `config:4:22: allowedAnnotations[0]: invalid value "*a", must be a name, or the beginning of names with a * at its end`},
		"allowed, classic":   {"policy: enabled\ntemplate: x\nallowedOverrides: []\n", "", "", "config:3:1: allowedOverrides: has no meaning in the classic dialect"},
		"enum":               {minimal, "defaultConfig: {interceptionMode: MAYBE}", "", `mesh:1:35: defaultConfig.interceptionMode: invalid value "MAYBE", must be one of REDIRECT, TPROXY, NONE`},
		"negative":           {minimal, "defaultConfig: {concurrency: -1}", "", "mesh:1:30: defaultConfig.concurrency: invalid value -1, must not be negative"},
		"duration":           {minimal, "defaultConfig: {drainDuration: -5s}", "", "mesh:1:32: defaultConfig.drainDuration: invalid value -5s"},
		"empty path":         {minimal, "defaultConfig: {configPath: '', binaryPath: ''}", "", "mesh:1:29: defaultConfig.configPath: must not be empty"},
		"tracer":             {minimal, "defaultConfig: {tracing: {zipkin: {address: 'x:0'}}}", "", `mesh:1:17: defaultConfig.tracing.zipkin.address: invalid value "x:0"`},
		"values":             {minimal, "", "a: b: c", "values:1:5: not valid YAML"},
		"large":              {strings.Repeat("#", maxSource+1), "", "", "config: 1048577 bytes are more than the 1048576"},
		"classic duration":   {"policy: enabled\ntemplate: x\n", "connectTimeout: soon", "", `mesh:1:17: connectTimeout: found the string "soon": invalid value "soon", must be a duration`},
		"classic duration 2": {"policy: enabled\ntemplate: x\n", "connectTimeout: 5", "", "mesh:1:17: connectTimeout: found the number 5: invalid value 5, must be a duration"},
		"classic enum":       {"policy: enabled\ntemplate: x\n", "defaultConfig: {interceptionMode: NO}", "", `must be one of ["REDIRECT" "TPROXY"]`},
		"classic port":       {"policy: enabled\ntemplate: x\n", "proxyListenPort: many", "", "mesh:1:18: proxyListenPort: found the string \"many\": must be a whole number"},
		"classic range":      {"policy: enabled\ntemplate: x\n", "\nproxyListenPort: -1", "", "mesh:2:18: proxyListenPort: invalid value -1"},
		"classic proxy":      {"policy: enabled\ntemplate: x\n", "defaultConfig: x", "", "mesh:1:16: defaultConfig: found the string"},
		"classic bool":       {"policy: enabled\ntemplate: x\n", "enableTracing: x", "", "must be true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(tc.inject, tc.mesh, tc.values)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	c := mustParse(t, "policy: enabled\ntemplates: {odd: x}\nrevision: a\naliases: {all: [odd, gone]}\n", "nothingKnown: 1\ndefaultConfig:\n  parentShutdownDuration: 5s\n", "")
	want := []string{
		`config: defaultTemplates: is not set and there is no template named "sidecar": pods that name no template will be refused; templates are odd`,
		`config:3:1: revision: unknown key, ignored`,
		`config:4:22: aliases.all[1]: there is no template named "gone": pods that use this alias will be refused; templates are odd`,
		`mesh:1:1: nothingKnown: unknown field, ignored`,
		`mesh:3:3: defaultConfig.parentShutdownDuration: unknown field, ignored`,
	}
	if !slices.Equal(c.Notes, want) {
		t.Errorf("notes:\n%s", strings.Join(c.Notes, "\n"))
	}
	if c := mustParse(t, minimal, "defaultConfig: {tracing: {odd: 1}}", ""); len(c.Notes) != 1 || !strings.Contains(c.Notes[0], `mesh:1:17: defaultConfig.tracing: unknown field "odd", ignored`) {
		t.Errorf("a field within a field: %q", c.Notes)
	}
	if c := mustParse(t, "policy: enabled\ntemplate: x\n", "defaultConfig: {sds: 1}\nodd: 2", ""); len(c.Notes) != 2 {
		t.Errorf("notes of the classic dialect: %q", c.Notes)
	}
}

func TestDialect(t *testing.T) {
	for name, tc := range map[string]struct {
		inject   string
		want     Dialect
		defaults string
	}{
		"current":                         {minimal, Current, "sidecar"},
		"current with a marker":           {minimal + "template: '{{ Mismatch }}'\n", Current, "sidecar"},
		"current, null elsewhere":         {minimal + "injectedAnnotations:\naliases:\nneverInjectSelector:\ndefaultTemplates:\n", Current, "sidecar"},
		"current with defaults":           {"policy: disabled\ndefaultTemplates: [a, both]\naliases: {both: [a, b]}\ntemplates: {a: x, b: y}\n", Current, "a,both"},
		"classic":                         {"policy: enabled\ntemplate: |\n  containers: []\n", Classic, "template"},
		"classic with an empty templates": {"policy: enabled\ntemplate: x\n", Classic, "template"},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustParse(t, tc.inject, "", "")
			if c.Dialect != tc.want || strings.Join(c.DefaultTemplates, ",") != tc.defaults {
				t.Errorf("dialect %s, default templates %q", c.Dialect, c.DefaultTemplates)
			}
			if (c.Mesh != nil) == (c.ClassicMesh != nil) || (c.Mesh != nil) != (tc.want == Current) {
				t.Errorf("mesh %v, classic mesh %v", c.Mesh, c.ClassicMesh)
			}
		})
	}
}

func TestLinesOfTemplates(t *testing.T) {
	c := mustParse(t, "policy: enabled\ntemplates:\n  block: |\n    a\n  flow: b\n  folded: >-\n    c\ndefaultTemplates: [flow]\n", "", "")
	for name, want := range map[string]string{"block": "config:4:5", "flow": "config:5:9", "folded": "config:7:5"} {
		if got := c.TemplateOrigins[name].Place(1, 1).String(); got != want {
			t.Errorf("%s begins at %s, want %s", name, got, want)
		}
	}
	if c.TemplateHash("flow") != "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d" || c.TemplateHash("none") != "" {
		t.Errorf("hashes: %s, %q", c.TemplateHash("flow"), c.TemplateHash("none"))
	}
}

func TestValues(t *testing.T) {
	c := mustParse(t, minimal, "", `{"global": {"port": 15020, "big": 1000000}}`)
	if got := c.Values["global"].(map[string]any)["port"]; got != float64(15020) {
		t.Errorf("a number is %T %v", got, got)
	}
	if c := mustParse(t, minimal, "", ""); c.Values == nil || len(c.Values) != 0 {
		t.Errorf("no values are %v", c.Values)
	}
}

func TestAnchors(t *testing.T) {
	c := mustParse(t, "policy: &p enabled\ninjectedAnnotations: {a: *p}\ntemplates: {sidecar: x}\nneverInjectSelector: [{matchLabels: &l {app: web}}]\nalwaysInjectSelector: [{matchLabels: *l}]\n", "", "")
	if c.InjectedAnnotations["a"] != "enabled" || c.AlwaysInject[0].MatchLabels["app"] != "web" {
		t.Errorf("annotations %v, selector %v", c.InjectedAnnotations, c.AlwaysInject)
	}
	for name, mesh := range map[string]string{
		"an anchor that holds itself": "defaultProviders: &a {metrics: [*a]}",
		"a lot of laughs":             "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\ndefaultServiceExportTo: [*e,*e,*e,*e,*e,*e,*e,*e,*e]",
	} {
		if _, err := parse(minimal, mesh, ""); err == nil || !strings.Contains(err.Error(), "expand to more than") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHash(t *testing.T) {
	one := mustParse(t, minimal, "connectTimeout: 5s\nenableTracing: false\n", "a: 1\nb: 2\n")
	two := mustParse(t, "# another layout\ntemplates:\n    sidecar: 'spec: {}'\npolicy: enabled\n", "enableTracing: false\nconnectTimeout: 5s\n", `{"b": 2, "a": 1}`)
	if one.Hash() != two.Hash() || len(one.Hash()) != 64 {
		t.Errorf("the same content has hashes %s and %s", one.Hash(), two.Hash())
	}
	for name, c := range map[string]*Config{
		"template": mustParse(t, strings.Replace(minimal, "spec", "metadata", 1), "connectTimeout: 5s\nenableTracing: false\n", "a: 1\nb: 2\n"),
		"policy":   mustParse(t, strings.Replace(minimal, "enabled", "disabled", 1), "connectTimeout: 5s\nenableTracing: false\n", "a: 1\nb: 2\n"),
		"mesh":     mustParse(t, minimal, "connectTimeout: 6s\nenableTracing: false\n", "a: 1\nb: 2\n"),
		"values":   mustParse(t, minimal, "connectTimeout: 5s\nenableTracing: false\n", "a: 1\nb: 3\n"),
		"selector": mustParse(t, minimal+"neverInjectSelector: [{matchLabels: {a: b}}]\n", "connectTimeout: 5s\nenableTracing: false\n", "a: 1\nb: 2\n"),
	} {
		if c.Hash() == one.Hash() {
			t.Errorf("another %s does not change the hash", name)
		}
	}
}

// The reference's mesh files are dumps of its defaults, so overlaying them must
// change nothing.
func TestDefaultsAreTheReferences(t *testing.T) {
	root := os.Getenv("CONFORMANCE")
	if root == "" {
		t.Skip("CONFORMANCE is not set: defaults not compared with the reference's")
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if c := mustParse(t, minimal, read("istio-current/meshes/02fcb017.yaml"), ""); !proto.Equal(c.Mesh, DefaultMesh()) {
		t.Errorf("current: defaults %v, the reference's %v", DefaultMesh(), c.Mesh)
	}
	classic := "policy: enabled\ntemplate: x\n"
	if a, b := mustParse(t, classic, "", ""), mustParse(t, classic, read("istio-1.1/meshes/default.yaml"), ""); a.Hash() != b.Hash() {
		t.Errorf("classic: defaults %+v, the reference's %+v", a.ClassicMesh.DefaultConfig, b.ClassicMesh.DefaultConfig)
	}
}
