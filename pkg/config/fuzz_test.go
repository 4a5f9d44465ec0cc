package config

import "testing"

// Whatever the files hold: no panic, and either an error or a usable
// configuration.
func FuzzParse(f *testing.F) {
	f.Add(minimal, "connectTimeout: 5s\n", `{"global": {"hub": "h"}}`)
	f.Add("policy: enabled\ntemplate: |\n  containers: []\n", "defaultConfig: {drainDuration: 1s}", "")
	f.Add("policy: &a enabled\ntemplates: {a: *a, b: {<<: *a}}\n", "- 1", "a: &x [*x]")
	f.Add("neverInjectSelector: [{matchExpressions: [{key: a, operator: In}]}]\n", "extensionProviders: [{name: a, zipkin: {}}]", "1: 2")
	f.Fuzz(func(t *testing.T, inject, mesh, values string) {
		c, err := parse(inject, mesh, values)
		if c == nil && err == nil {
			t.Fatal("neither a configuration nor an error")
		}
		if err == nil && (len(c.Templates) == 0 || len(c.DefaultTemplates) == 0 || c.Values == nil || len(c.Hash()) != 64) {
			t.Fatalf("unusable configuration %+v", c)
		}
	})
}
