package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const schemaText = `{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["name"],
  "additionalProperties": false,
  "properties": {"name": {"type": "string"}, "count": {"type": "integer", "minimum": 1}}
}`

func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	schema := write("schema.json", schemaText)
	for _, c := range []struct {
		name       string
		args       []string
		stdin      string
		code       int
		out, wrong string
	}{
		{name: "a good file", args: []string{"schema", "--schema", schema, write("good.yaml", "name: a\ncount: 2\n")}},
		{name: "JSON", args: []string{"schema", "--schema", schema, write("good.json", `{"name": "a"}`)}},
		{
			name: "every bad file is named",
			args: []string{"schema", "--schema", schema, write("typo.yaml", "nam: a\n"), write("small.yaml", "name: a\ncount: 0\n")},
			code: 1, wrong: "small.yaml",
		},
		{name: "nothing but comments", args: []string{"schema", "--schema", schema, write("empty.yaml", "# nothing\n")}, code: 1, wrong: "name"},
		{name: "a key twice", args: []string{"schema", "--schema", schema, write("twice.yaml", "name: a\nname: b\n")}, code: 1, wrong: "name"},
		{name: "a schema that is none", args: []string{"schema", "--schema", write("bad.json", `{"type": "thing"}`), schema}, code: 1, wrong: "bad.json"},
		{name: "no file", args: []string{"schema", "--schema", schema}, code: 2, wrong: "usage"},
		{
			name: "rules", args: []string{"rules"},
			stdin: "kind: Service\n---\nkind: PrometheusRule\nspec:\n  groups:\n  - name: a\n---\nkind: PrometheusRule\nspec:\n  groups:\n  - name: b\n",
			out:   "groups:\n- name: a\n- name: b\n",
		},
		{name: "no rules", args: []string{"rules"}, stdin: "kind: Service\n", code: 1, wrong: "no PrometheusRule"},
		{name: "no command", code: 2, wrong: "usage"},
		{name: "unknown command", args: []string{"lint"}, code: 2, wrong: `unknown command "lint"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, wrong bytes.Buffer
			code := run(c.args, strings.NewReader(c.stdin), &out, &wrong)
			if code != c.code || out.String() != c.out || !strings.Contains(wrong.String(), c.wrong) {
				t.Errorf("exit %d, out %q, err %q; want %d, %q, %q", code, out.String(), wrong.String(), c.code, c.out, c.wrong)
			}
		})
	}
}
