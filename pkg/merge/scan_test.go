package merge

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// byLibrary is what the scanner must equal.
func byLibrary(t testing.TB, s string) (*node, bool) {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(s))
	if err != nil {
		return nil, false
	}
	n, err := parseJSON(context.Background(), data)
	return n, err == nil
}

// sorted puts entries in order of their names, as they mean the same in any.
func sorted(n *node) *node {
	var all []*node
	for _, m := range n.children() {
		all = append(all, sorted(m))
	}
	if n.kind == object {
		slices.SortFunc(all, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	}
	copied := *n
	_, c := rebuild(&copied)
	for _, m := range all {
		c.add(m)
	}
	return &copied
}

func equal(a, b *node) string {
	return gocmp.Diff(string(sorted(a).appendJSON(nil)), string(sorted(b).appendJSON(nil)))
}

// Each of these is read, and as the library reads it.
var scanned = []string{
	"a: b\n",
	"a: b",
	"a:\n  b: c\n  d:\n  - e\n  - f: g\n    h: i\n  -   j: k\n      l: m\n",
	"a:\n- b\n- c\nd: e\n",
	"a:\n-\n  b: c\n-\n- - d\n  - e\n",
	"a:\nb: null\nc: true\nd: false\ne: 12\nf: -3\ng: 0\n",
	"a: \"x: y # z\" # comment\nb: 'q \"r\"'\nc: \"l\\n\\\"m\\\\ \\t\"\n",
	"# first\n\na: b # c\n\n  # odd\nd: e#f\n",
	"a: |\n  one\n   two\n\n  three\n\nb: c\n",
	"a: |-\n    one\n\n\nb: |+\n  two\n\n\nc: d\n",
	"- a: |\n    one\n  b: c\n- d\n",
	"a: {}\nb: []\nc: {d: e, \"f\": \"g\", h: [1, two, {i: j},]}\n",
	"a: {\n  b: \"c\",\n  # d\n\n  e: 1 ,\n}\nf: [\n1,\n 2\n  ]\n",
	"a: 100m\nb: 15Mi\nc: 30s\nd: 10.0.0.1\ne: 10.0.0.0/8\nf: http://x:80/y\ng: --option=1\nh: ./etc\ni: $(POD).svc\n",
	"  a: b\n  c: d\n",
	"$patch: delete\n\"$setElementOrder/x\": [a]\n",
	"a: b c  d   # e\n",
	"a: it's {not} [a, flow]\n",
	"a: {\"b\":{\"c\":\"100m\",\"d\":[\"e\",1]}}\n",
	"# xds \u2013 no need\na: x\u00e9 \u4e16\nb: \"\u00fc\"\n",
	"a: [/bin/sh, -ec, -x]\nb: -f\n",
	"a: # nothing\n  b: c\n",
}

func TestScanReadsAsTheLibraryDoes(t *testing.T) {
	for _, s := range scanned {
		got, ok := scan(s)
		if !ok {
			t.Errorf("gave up on %q", s)
			continue
		}
		want, ok := byLibrary(t, s)
		if !ok {
			t.Errorf("read %q, which the library does not", s)
			continue
		}
		if d := equal(want, got); d != "" {
			t.Errorf("%q (-library +scanner)\n%s", s, d)
		}
	}
}

// On each of these it gives up: it is not YAML, or not plain enough to be sure.
func TestScanGivesUp(t *testing.T) {
	for _, s := range []string{
		"", "a", "a: b\na: c\n", "a: {b: c, b: d}\n", "- a: b\nc: d\n", "a: b\n c: d\n", "a: b\n  c\n", "a:\n  b: c\n d: e\n", "a: b: c\n", "a: b:\n",
		"a: &x b\n", "a: *x\n", "a: !!str 1\n", "a: >\n  b\n", "a: |2\n  b\n", "a: | # c\n  b\n", "a: |\n  b", "a: |\nb: c\n",
		"a: |\n   b\n  c\n", "a: |\n     \n  b\n", "? a\n: b\n", "a: yes\n", "a: On\n", "y: a\n", "1: a\n", "true: a\n", "~: a\n",
		"a: ~\n", "a: 010\n", "a: 0x10\n", "a: 1.5\n", "a: 1e3\n", "a: 1_000\n", "a: 2001-01-01\n", "a: .inf\n", "a: +1\n",
		"a: 1234567890123456\n", "a: \"b\n  c\"\n", "a: \"\\u0041\"\n", "a: 'it''s'\n", "a: \"b\" c\n", "a: \"b\"#c\n",
		"a: {b}\n", "a: {b: }\n", "a: {b: c d}\n", "a: [b: c]\n", "a: [b, , c]\n", "a: {b: c\n", "a: [b]c\n", "a: {b: c} d\n",
		"---\na: b\n", "a: b\n---\nc: d\n", "a: b\n...\n", "%YAML 1.1\n", "a:\tb\n", "a: b\r\n", "a: \u0085\n", "a: \u2028b\n", "a: \ufeff\n", "a: \xff\n", "a: {b:c}\n", "a: {b:\"c\"}\n", "\"a\":b\n", "a: @b\n", "a: `b`\n",
		"<<: {a: b}\n", "a: b\n\"c\": d e: f\n", strings.Repeat("- ", 80) + "a\n",
	} {
		if n, ok := scan(s); ok {
			t.Errorf("read %q as %v", s, n)
		}
	}
}

// Whatever the scanner reads, the library reads the same.
func FuzzScan(f *testing.F) {
	for _, s := range scanned {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := scan(s)
		if !ok {
			return
		}
		want, ok := byLibrary(t, s)
		if !ok {
			t.Fatalf("read %q, which the library does not", s)
		}
		if d := equal(want, got); d != "" {
			t.Fatalf("%q (-library +scanner)\n%s", s, d)
		}
	})
}
