package config

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// times writes a text n times, with its number.
func times(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Each bound lets its last value pass and refuses the next with a sentence that
// says it.
func TestBounds(t *testing.T) {
	inject := func(text string) [3]string { return [3]string{minimal + text, "", ""} }
	values := func(text string) [3]string { return [3]string{minimal, "", text} }
	for name, tc := range map[string]struct {
		files func(n int) [3]string // inject, mesh, values
		limit int
		want  string
	}{
		"bytes of a file": {
			func(n int) [3]string { return values("#" + strings.Repeat("x", n-1)) }, maxSource,
			"values: 1048577 bytes are more than the 1048576 that a configuration file may have",
		},
		"bytes of all files": {
			func(n int) [3]string {
				return [3]string{minimal, "#" + strings.Repeat("x", n/2-1), "#" + strings.Repeat("x", n-n/2-len(minimal)-1)}
			}, maxSources,
			"config: has 2097153 bytes together with the mesh configuration and the values, more than the 2097152 that the three may have",
		},
		"marks": {
			func(n int) [3]string { return values("a: 1\n" + strings.Repeat("\n", n-1)) }, maxMarks,
			"values: 200001 commas, brackets and line ends are more than the 200000",
		},
		"values": { // two mappings, two keys, a text, and n-5 aliases of it
			func(n int) [3]string { return values("a: &a x\nb: [" + strings.Repeat("*a,", n-5) + "]\n") }, maxNodes,
			"values: its values expand to more than 100000, each alias counted",
		},
		"bytes of values": {
			func(n int) [3]string {
				return values("a: &a " + strings.Repeat("x", 600_000) + "\nb: *a\nc: *a\nd: " + strings.Repeat("y", n-3*600_000-4) + "\n")
			}, maxExpanded,
			"its values expand to more than 2097152 bytes",
		},
		"depth": {
			func(n int) [3]string { return values("a: " + strings.Repeat("[", n-1) + strings.Repeat("]", n-1)) }, maxDepth + 1,
			"values: values are nested more than 100 deep",
		},
		"templates": {
			func(n int) [3]string {
				return [3]string{"policy: enabled\ntemplates:\n" + times(n, "  t%d: x\n") + "defaultTemplates: [t0]\n", "", ""}
			}, maxTemplates,
			"config: templates: 201 templates are more than the 200 that a configuration may have",
		},
		"name of a template": {
			func(n int) [3]string {
				return [3]string{"policy: enabled\ntemplates: {sidecar: x, " + strings.Repeat("x", n) + ": x}\n", "", ""}
			}, maxName,
			"config:2:25: templates: a name of 254 bytes is longer than the 253 that it may have",
		},
		"name of an alias": {
			func(n int) [3]string { return inject("aliases: {" + strings.Repeat("x", n) + ": [sidecar]}\n") }, maxName,
			"config:4:11: aliases: a name of 254 bytes is longer",
		},
		"aliases": {
			func(n int) [3]string { return inject("aliases:\n" + times(n, "  a%d: [sidecar]\n")) }, maxAliases,
			"config: aliases: 1001 names in aliases and defaultTemplates are more than the 1000",
		},
		"empty aliases": {
			func(n int) [3]string { return inject("aliases:\n" + times(n, "  a%d: []\n")) }, maxAliases,
			"config: aliases: 1001 names",
		},
		"selectors": {
			func(n int) [3]string {
				return inject("alwaysInjectSelector: [{}]\nneverInjectSelector:\n" + times(n-1, "- matchLabels: {l%d: x}\n"))
			}, maxSelectors,
			"config: neverInjectSelector: 1001 selectors, with those of alwaysInjectSelector, are more than the 1000",
		},
		"allow lists": {
			func(n int) [3]string {
				return inject("allowedOverrides: [a]\nallowedAnnotations:\n" + times(n-1, "- a%d\n"))
			}, maxAllowed,
			"config: allowedAnnotations: 1001 names, with those of allowedOverrides, are more than the 1000",
		},
		"annotations": {
			func(n int) [3]string { return inject("injectedAnnotations: {a: " + strings.Repeat("x", n-1) + "}\n") }, maxAnnotations,
			"config: injectedAnnotations: 262145 bytes are more than the 262144 that a configuration may have",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := tc.files(tc.limit)
			if _, err := parse(f[0], f[1], f[2]); err != nil {
				t.Errorf("%d: %.200v", tc.limit, err)
			}
			f = tc.files(tc.limit + 1)
			if _, err := parse(f[0], f[1], f[2]); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%d: got %.300v, want %s", tc.limit+1, err, tc.want)
			}
		})
	}
}

// Texts that are small and stand for much are refused soon.
func TestBombs(t *testing.T) {
	long := `"` + strings.Repeat("x", 500_000) + `"`
	for name, tc := range map[string][3]string{
		"aliases of a long text":         {minimal, "", "b: &b " + long + "\na: [" + strings.Repeat("*b,", 10_000) + "]"},
		"aliases of a long text in mesh": {minimal, "b: &b " + long + "\ndefaultServiceExportTo: [" + strings.Repeat("*b,", 10_000) + "]", ""},
		"aliases of a long text, spread": {minimal, "b: &b " + long + "\n" + times(10_000, "k%d: *b\n"), ""},
		"doubling": {minimal, "", "l0: &l0 [x]\n" + func() string {
			var s strings.Builder
			for i := 1; i < 60; i++ {
				fmt.Fprintf(&s, "l%d: &l%d [*l%d, *l%d]\n", i, i, i-1, i-1)
			}
			return s.String()
		}()},
		"merge keys":        {minimal, "", "b: &b {" + times(10_000, "k%d: 1,") + "}\na:\n" + strings.Repeat("- {<<: *b, z: 1}\n", 5000)},
		"deep in flow":      {minimal, "", "a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000)},
		"deep in blocks":    {minimal, "", "a:\n " + strings.Repeat("- ", 9000) + "1"},
		"deep mesh":         {minimal, "defaultConfig: {proxyMetadata: " + strings.Repeat("{a: ", 9000) + "1" + strings.Repeat("}", 9000) + "}", ""},
		"many small values": {minimal, "", "a: [" + strings.Repeat("1,", 500_000) + "]"},
		"many empty maps":   {minimal, "", "a: [" + strings.Repeat("{},", 300_000) + "]"},
		"many lines":        {minimal + strings.Repeat("\n", 900_000), "", ""},
		"many templates":    {"policy: enabled\ntemplates:\n" + times(20_000, "  t%d: x\n"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := parse(tc[0], tc[1], tc[2])
			if took := time.Since(start); err == nil || took > 3*time.Second {
				t.Errorf("after %s: %.200v", took, err)
			}
		})
	}
}

// Nothing that is accepted takes more than linear time. Each of these took
// seconds.
func TestLargeConfigurationsAreReadSoon(t *testing.T) {
	for name, tc := range map[string][3]string{
		"mesh with unknown keys":       {minimal, times(40_000, "k%d: 1\n"), ""},
		"proxy metadata":               {minimal, "defaultConfig:\n  proxyMetadata:\n" + times(40_000, "    k%d: v\n"), ""},
		"unknown keys of the proxy":    {minimal, "defaultConfig:\n" + times(40_000, "  k%d: v\n"), ""},
		"extension providers":          {minimal, "extensionProviders:\n" + times(15_000, "- {name: p%d, prometheus: {}}\n"), ""},
		"values":                       {minimal, "", times(40_000, "k%d: 1\n")},
		"aliases of what is not there": {minimal + "aliases:\n" + times(900, "  a%d: [x]\n"), "", ""},
		"classic mesh":                 {"policy: enabled\ntemplate: x\n", times(40_000, "k%d: 1\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			c, err := parse(tc[0], tc[1], tc[2])
			if took := time.Since(start); err != nil || took > 5*time.Second {
				t.Errorf("after %s: %.200v", took, err)
			}
			if c != nil && len(c.Notes) > maxReported+1 {
				t.Errorf("%d notes", len(c.Notes))
			}
		})
	}
}

func TestManyErrorsAreCut(t *testing.T) {
	_, err := parse(minimal+"injectedAnnotations:\n"+times(5000, "  a%d: []\n"), "", "")
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) || len(all.Unwrap()) != maxReported+1 || !strings.Contains(err.Error(), "there is more to say than these 100") {
		t.Errorf("got %.300v", err)
	}
}

func TestParseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, err := ParseContext(ctx, Sources{Inject: Source{Name: "config", Data: []byte(minimal)}})
	if c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", c, err)
	}
}

// What others may read about a mistake names its place and what is allowed, and
// none of the file's values.
func TestPublicErrorsHoldNoValues(t *testing.T) {
	const s = "s3cret"
	for name, tc := range map[string]struct {
		files [3]string
		want  string
	}{
		"policy":       {[3]string{"policy: " + s + "\ntemplates: {sidecar: x}\n"}, `config:1:9: policy: invalid value (not shown), must be "enabled" or "disabled"`},
		"kind":         {[3]string{minimal + "defaultTemplates: " + s + "\n"}, "config:4:19: defaultTemplates: found a string, but it must be a list of names"},
		"number":       {[3]string{minimal, "defaultConfig: 77123", ""}, "mesh:1:16: defaultConfig: found a number, but it must be a mapping"},
		"template":     {[3]string{minimal + "defaultTemplates: [" + s + "]\n"}, "config:4:20: defaultTemplates[0]: there is no template named (not shown); templates are sidecar"},
		"selector":     {[3]string{minimal + "neverInjectSelector: [{matchLabels: {app: 'a " + s + "'}}]\n"}, "config:4:23: neverInjectSelector[0]: not a label selector"},
		"allowed":      {[3]string{minimal + "allowedAnnotations: ['*" + s + "']\n"}, "config:4:22: allowedAnnotations[0]: invalid value (not shown), must be a name"},
		"enum":         {[3]string{minimal, "defaultConfig: {interceptionMode: " + s + "}", ""}, "mesh:1:35: defaultConfig.interceptionMode: invalid value (not shown), must be one of REDIRECT, TPROXY, NONE"},
		"address":      {[3]string{minimal, "defaultConfig: {discoveryAddress: " + s + "}", ""}, "mesh:1:35: defaultConfig.discoveryAddress: invalid value (not shown), must be host:port"},
		"port":         {[3]string{minimal, "proxyListenPort: 77123", ""}, "mesh:1:18: proxyListenPort: invalid value (not shown), must be a port from 0 to 65535"},
		"anchor":       {[3]string{minimal, "", "a: *" + s}, "values:1:4: not valid YAML: an anchor is wrong"},
		"not YAML":     {[3]string{minimal, "", "a: " + s + "\n\tb: c"}, "values:2:1: not valid YAML: found a tab character that violates indentation"},
		"values":       {[3]string{minimal, "", "? {a: " + s + "}\n: x"}, "values: not usable as values"},
		"classic":      {[3]string{"policy: enabled\ntemplate: x\n", "connectTimeout: " + s, ""}, "mesh:1:17: connectTimeout: found a string, which this field does not take"},
		"classic enum": {[3]string{"policy: enabled\ntemplate: x\n", "defaultConfig: {interceptionMode: " + s + "}", ""}, "mesh:1:35: defaultConfig.interceptionMode: found a string, which this field does not take"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(tc.files[0], tc.files[1], tc.files[2])
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if got := e.Public(); !strings.HasPrefix(got, tc.want) || strings.Contains(got, s) || strings.Contains(got, "77123") {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if full := e.Error(); name != "values" && name != "not YAML" && !strings.Contains(full, s) && !strings.Contains(full, "77123") {
				t.Errorf("who has the file is not shown the value: %s", full)
			}
		})
	}
}
