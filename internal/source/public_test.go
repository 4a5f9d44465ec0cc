package source

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// What a server says about a configuration names the place, and nothing of what
// stands there.
func TestWhatAServerSaysHoldsNoValues(t *testing.T) {
	const s = "s3cret"
	for name, tc := range map[string]struct{ config, values, want string }{
		"policy":             {"policy: " + s + "\ntemplates: {sidecar: x}\n", "", `/config:1:9: policy: invalid value (not shown), must be "enabled" or "disabled"`},
		"two errors":         {"policy: " + s + "\ntemplates: {sidecar: x}\nneverInjectSelector: " + s + "\n", "", "found a string, but it must be a list"},
		"values":             {oneTemplate("x"), "a: " + s + "\n\tb", "/values:2:1: not valid YAML"},
		"parsing":            {oneTemplate(`# {{ "` + s + `" "x }}`), "", `/config:4:10: template "sidecar": cannot be parsed`},
		"unknown function":   {oneTemplate(`# {{ nothing "` + s + `" }}`), "", `/config:4:10: template "sidecar": function "nothing" not defined`},
		"no such field":      {oneTemplate(`# {{ .Nope }}`), "", `template "sidecar" at .Nope: names a field that is not there`},
		"no such field of a": {oneTemplate(`# {{ (index .Spec.Containers 0).Nope | default "` + s + `" }}`), "", `names a field that is not there`},
		"limit":              {oneTemplate(`# {{ printf "%1000000000s" "` + s + `" }}`), "", `template "sidecar": exceeds a limit`},
		"steps":              {oneTemplate(`# {{ range until 10000 }}{{ range until 10000 }}{{ if eq "` + s + `" $.Spec.NodeName }}x{{ end }}{{ end }}{{ end }}`), "", "exceeds the limit on "},
	} {
		t.Run(name, func(t *testing.T) {
			r := loaderOf(t, tc.config, tc.values)
			_, _, err := r.load(t.Context(), "")
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), s) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

// The same of a template that fails on every sample, or on some, which is no error.
func TestWhatTemplatesDoShowsNoValues(t *testing.T) {
	const s = "s3cret"
	for name, text := range map[string]string{
		"fails on purpose":  `# {{ fail "` + s + `" }}`,
		"is no pod":         `spec: {hostname: [` + s + `]}`,
		"is no YAML":        `a: b: ` + s,
		"calls what fails":  `# {{ mustRegexMatch "` + s + `(" "x" }}`,
		"gets another type": `# {{ until "` + s + `" }}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := loaderOf(t, oneTemplate(text), "").load(t.Context(), "")
			if err == nil || strings.Contains(err.Error(), s) {
				t.Errorf("error %v", err)
			}
			r := loaderOf(t, oneTemplate("{{ if .Spec.InitContainers }}"+text+"{{ end }}")+"odd: "+s+"\n", "")
			var log bytes.Buffer
			r.log = slog.New(slog.NewTextHandler(&log, nil))
			if _, _, err := r.load(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			if got := log.String(); strings.Contains(got, s) || !strings.Contains(got, "odd: unknown key") || !strings.Contains(got, "not on every one") {
				t.Errorf("logged %s", got)
			}
		})
	}
}

func TestNotesAreCut(t *testing.T) {
	var odd strings.Builder
	for i := range 50 {
		fmt.Fprintf(&odd, "odd%d%s: 1\n", i, strings.Repeat("x", 1000))
	}
	r := loaderOf(t, oneTemplate("spec: {}")+odd.String(), "")
	var log bytes.Buffer
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	if _, _, err := r.load(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(log.String(), "\n"); lines != maxNotes+1 || !strings.Contains(log.String(), "more=30") || log.Len() > (maxNotes+1)*(maxNote+200) {
		t.Errorf("%d lines, %d bytes", lines, log.Len())
	}
}

func TestPublicErrors(t *testing.T) {
	if public(nil) != nil {
		t.Error("an error of none")
	}
	_, err := os.Open("/nowhere")
	if e := public(fmt.Errorf("mesh: %w", err)); !errors.Is(e, fs.ErrNotExist) || e.Error() != "mesh: open /nowhere: no such file or directory" {
		t.Errorf("got %v", e)
	}
	if e := public(errors.New(strings.Repeat("é", maxShown))); len(e.Error()) > maxShown+20 || !strings.HasSuffix(e.Error(), "é... (cut)") {
		t.Errorf("%d bytes", len(e.Error()))
	}
}
