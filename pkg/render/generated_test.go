package render

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// writer of random templates, for templates that hang together more than those
// of a fuzzer.
type generator struct {
	*rand.Rand
	vars []string
	out  strings.Builder
}

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// text is an expression whose value is mostly text, other any.
func (g *generator) text(depth int) string {
	if depth <= 0 || g.IntN(4) == 0 {
		return g.pick(`"a"`, `""`, `.`, `$`, `.Revision`, `$.Revision`, `.ProxyImage`, `$.Values.global.hub`, `$.Values.global.none`, `$.DeploymentMeta.Name`, `$.Values.global.nothing`, g.variable())
	}
	a, b := g.text(depth-1), g.other(depth-1)
	return "(" + g.pick(
		`annotation $.ObjectMeta "note" `+b, `annotation $.ObjectMeta "none" `+b, `index $.ObjectMeta.Annotations `+a, `index $.ObjectMeta.Labels "app" | default `+a,
		`quote `+a, a+` | toLower`, `printf "%v-%s" `+b+` `+a, `print `+a+` `+b, a+` | trunc 2 | quote`, `default `+b+` `+a, `join "," `+b,
		`excludeInboundPort `+b+` `+a, `toJSON `+b, `valueOrDefault `+a+` `+b, `ternary `+a+` `+a+` `+g.condition(depth-1), `or `+a+` `+b, `upper `+a,
	) + ")"
}

func (g *generator) other(depth int) string {
	if depth <= 0 || g.IntN(4) == 0 {
		return g.pick(`nil`, `1`, `0`, `-7`, `true`, `$.ProxyUID`, `$.NativeSidecars`, `$.Spec.Containers`, `$.Values.global.port`, `$.Values.global.resources`,
			`$.ProxyConfig.InterceptionMode`, `$.ObjectMeta.Labels`, `$.Spec.SecurityContext`, `(list)`, g.variable())
	}
	a, b := g.text(depth-1), g.other(depth-1)
	return "(" + g.pick(
		`list `+a+` `+b, `append (list `+b+`) `+a, `len `+b, `index `+b+` 0`, `omitNil `+b, `dict "k" `+b, `first `+b, `add `+b+` 1`,
		`and `+b+` `+a, `or `+b+` `+a, `fromJSON `+a, g.condition(depth-1),
	) + ")"
}

func (g *generator) condition(depth int) string {
	if depth <= 0 {
		return g.pick(`true`, `$.NativeSidecars`, `(isset $.ObjectMeta.Annotations "note")`)
	}
	a, b := g.text(depth-1), g.other(depth-1)
	return "(" + g.pick(
		`isset $.ObjectMeta.Labels `+a, `eq `+a+` `+g.text(depth-1), `ne `+a+` "a"`, `not `+b, `contains `+a+` `+g.text(depth-1), `hasPrefix `+a+` "ab"`,
		`and `+g.condition(depth-1)+` `+g.condition(depth-1), `or `+g.condition(depth-1)+` `+g.condition(depth-1), `eq `+b+` `+b, `ge (len `+b+`) 1`, `empty `+b,
	) + ")"
}

func (g *generator) variable() string {
	if len(g.vars) == 0 {
		return `$`
	}
	return g.vars[g.IntN(len(g.vars))]
}

// body writes a few nodes; the variables it declares are gone after it.
func (g *generator) body(depth int) {
	seen := len(g.vars)
	defer func() { g.vars = g.vars[:seen] }()
	for range 1 + g.IntN(3) {
		g.node(depth)
	}
}

func (g *generator) node(depth int) {
	fresh := fmt.Sprintf("$v%d", len(g.vars))
	switch kind := g.IntN(10); {
	case kind < 2 || depth <= 0:
		fmt.Fprintf(&g.out, "{{ %s }};", g.text(2))
	case kind == 2:
		fmt.Fprintf(&g.out, "{{ %s }};", g.other(2))
	case kind == 3:
		fmt.Fprintf(&g.out, "{{ %s := %s }}", fresh, g.pick(g.text(2), g.other(2)))
		g.vars = append(g.vars, fresh)
	case kind == 4 && len(g.vars) > 0:
		fmt.Fprintf(&g.out, "{{ %s = %s }}", g.variable(), g.pick(g.text(2), g.other(2)))
	case kind <= 6:
		fmt.Fprintf(&g.out, "{{ %s %s }}", g.pick("if", "with"), g.pick(g.condition(2), g.text(2), g.other(1)))
		g.body(depth - 1)
		g.out.WriteString("{{ else }}")
		g.body(depth - 1)
		g.out.WriteString("{{ end }}")
	default:
		over := g.pick(`$.Spec.Containers`, `$.ObjectMeta.Annotations`, `(list 1 "a" nil)`, `$.Values.global.resources`, `(until 3)`, g.other(2))
		g.vars = append(g.vars, fresh, fresh+"x")
		fmt.Fprintf(&g.out, "{{ range %s, %sx := %s }}", fresh, fresh, over)
		g.body(depth - 1)
		g.out.WriteString(g.pick("", "", "{{ break }}", "{{ if .x }}{{ continue }}{{ end }}"))
		g.vars = g.vars[:len(g.vars)-2]
		g.out.WriteString("{{ else }}-{{ end }}")
	}
}

func TestProgramsOfGeneratedTemplates(t *testing.T) {
	language := Current(nil)
	limits := Limits{Output: 1 << 16, Steps: 5000}
	shared := data()
	byProgram, withValue := 0, 0
	const times = 4000
	for seed := range uint64(times) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
		g.body(2)
		tmpl, err := language.Compile("sidecar", g.out.String(), Source{}, limits, Constants{shared, constantFields}, Constants{shared, constantFields[1:]})
		if err != nil {
			t.Fatalf("%v\n%s", err, &g.out)
		}
		for _, d := range otherPods() {
			d.MeshConfig, d.Values, d.ProxyConfig = shared.MeshConfig, shared.Values, shared.ProxyConfig
			if seed%3 == 0 {
				d.ProxyConfig = data().ProxyConfig
			}
			if agree(t, tmpl, d) {
				byProgram++
			}
			if _, err := byTextTemplate(tmpl, d); err == nil {
				withValue++
			}
			if t.Failed() {
				t.Fatalf("seed %d:\n%s", seed, &g.out)
			}
		}
	}
	// Of those that fail there is nothing to compare, so not all may.
	if withValue < times/2 || byProgram < withValue/2 {
		t.Errorf("of %d executions %d give something, %d by a program", 3*times, withValue, byProgram)
	}
	t.Logf("of %d executions %d give something, %d by a program", 3*times, withValue, byProgram)
}
