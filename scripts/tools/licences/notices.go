package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const head = `Third-party software in istio-sidecar-injector

The programs are linked from the modules below. Each is listed with its licences
and the programs that it is in, and the texts of the licences and notices follow.
'make licences-update' writes this file, 'make licences' holds it current.

`

// rule parts the texts.
var rule = strings.Repeat("-", 80) + "\n"

// notices is the list and then every text once, with the modules that it is of.
func (all modules) notices() []byte {
	var out bytes.Buffer
	out.WriteString(head)
	for _, m := range all {
		fmt.Fprintf(&out, "%s\n    %s; in %s\n", strings.TrimSpace(m.path+" "+m.version), strings.Join(m.licences, ", "), strings.Join(m.programs, ", "))
	}
	for _, t := range all.texts() {
		fmt.Fprintf(&out, "\n%s%s\n%s\n%s\n", rule, strings.Join(t.of, "\n"), rule, strings.TrimSpace(t.text))
	}
	return out.Bytes()
}

// text is one text with the files that hold it.
type text struct {
	text string
	of   []string
}

// texts are in the order in which the modules come to them; equal ones, but for
// white space at the ends of lines, are one.
func (all modules) texts() []*text {
	var out []*text
	for _, m := range all {
		for _, f := range m.files {
			plain := normal(f.text)
			i := slices.IndexFunc(out, func(t *text) bool { return t.text == plain })
			if i < 0 {
				i = len(out)
				out = append(out, &text{text: plain})
			}
			out[i].of = append(out[i].of, m.path+": "+f.name)
		}
	}
	return out
}

func normal(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		out.WriteString(strings.TrimRight(line, " \t\r\n") + "\n")
	}
	return strings.Trim(out.String(), "\n")
}
