package partial_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template"
)

// choices is where a generator takes its decisions from: a random source, or the
// bytes of a fuzzer.
type choices interface{ IntN(n int) int }

// term is an expression with the type of its value; the type is nil where it has no
// value, or fails.
type term struct {
	text string
	typ  reflect.Type
}

// grammar is what generators choose from.
type grammar struct {
	terms []term
	// functions has text/template's own functions too, with nil as their type.
	functions map[string]reflect.Type
	// names has text/template's own, of which there are builtins, first.
	names    []string
	builtins int
}

// terms are expressions that are not calls: literals of every kind, the dot, fields,
// chains, methods, and what fails. Their types are found out by executing them.
func newGrammar(s *subject) *grammar {
	g := &grammar{functions: map[string]reflect.Type{}}
	for _, text := range strings.Fields("\"a\" \"\" `raw` 1 0 -7 +3 100 0x10 0b11 0o17 017 1_000 'a' '\\n' 1.5 -0.5 1. 1e3 0x1p4 2i 1+2i 99999999999 " +
		"18446744073709551615 \"1.2.3\" \"[1]\" true false nil . $ ($) (.) (1) (\"a\") (nil)") {
		g.terms = append(g.terms, term{text: text})
	}
	var names []string
	fieldsOf(reflect.TypeFor[podData](), 2, "", &names)
	names = append(names, strings.Fields(".Values.hub .Values.port .Values.nothing .Values.flag .Values.empty .Values.zero .Values.global.limits .Values.global.limits.cpu "+
		".Values.items .Values.none .Values.none.deeper .Values.nothing.deeper .Values.hub.deeper .None .Spec.None .Odd.hidden .Odd.Deep .Odd.Ptr.Deep .Odd.Ptr.Ptr.Deep "+
		".Config.DrainDuration .Odd.Pointer.Deep .Odd.NilOdd.GetOdd.GetOne .Odd.GetOdd.Uint .Odd.GetInner.Deep .Odd.Named.GetLength .Odd.AnyMap.k .Odd.NamedMap.a .Odd.IntMap.k "+
		".Config.Tracing.Tracer .Config.GetTracing.GetZipkin.GetAddress .Config.InterceptionMode.String .Meta.CreationTimestamp.Date .Meta.CreationTimestamp.Year "+
		".Meta.CreationTimestamp.Unix .Meta.CreationTimestamp.String .Meta.GetLabels.app .Meta.Labels.app .Meta.Annotations.note .Meta.Annotations.none")...)
	for _, name := range names {
		g.terms = append(g.terms, term{text: name}, term{text: "$" + name}, term{text: "($)" + name})
	}
	for name, f := range s.funcs {
		g.functions[name] = reflect.TypeOf(f)
	}
	for _, name := range builtins(s.t) {
		if _, ours := g.functions[name]; !ours {
			g.functions[name] = nil
		}
	}
	for name := range g.functions {
		g.names = append(g.names, name)
	}
	slices.SortFunc(g.names, func(a, b string) int {
		own := func(name string) int {
			if g.functions[name] == nil {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(own(a), own(b)), cmp.Compare(a, b))
	})
	g.builtins = slices.IndexFunc(g.names, func(name string) bool { return g.functions[name] != nil })
	for i := range g.terms {
		g.terms[i].typ = typeOf(s, g.terms[i].text)
	}
	return g
}

// fieldsOf lists the fields of a struct and its methods.
func fieldsOf(typ reflect.Type, depth int, prefix string, names *[]string) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || depth == 0 {
		return
	}
	interesting := strings.HasPrefix(typ.PkgPath(), "github.com/sidecar-injector/")
	for i := range typ.NumField() {
		if f := typ.Field(i); f.IsExported() && (interesting || i%5 == 0) {
			*names = append(*names, prefix+"."+f.Name)
			fieldsOf(f.Type, depth-1, prefix+"."+f.Name, names)
		}
	}
	if interesting {
		for i := range reflect.PointerTo(typ).NumMethod() {
			*names = append(*names, prefix+"."+reflect.PointerTo(typ).Method(i).Name)
		}
	}
}

// typeOf is the type of an expression's value, for the first pod.
func typeOf(s *subject, text string) (typ reflect.Type) {
	capture := template.FuncMap{"capture": func(v reflect.Value) string {
		if v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if v.IsValid() {
			typ = v.Type()
		}
		return ""
	}}
	if tmpl, err := template.New("").Funcs(s.funcs).Funcs(capture).Parse("{{ capture " + text + " }}"); err == nil {
		_, _ = oracle(tmpl, s.pods[0])
	}
	return typ
}

// generator writes one template.
type generator struct {
	choices
	*grammar
	out strings.Builder
	// vars are the variables that can be seen, with the type that was asked for;
	// loops is how many loops are around.
	vars  []term
	loops int
	// moved says that the dot is not the data: it is what a loop or a with has made it.
	moved bool
	// templates is the number of templates that may be called.
	templates int
	// care is the reciprocal of how often a choice is made that is probably a
	// mistake. Mistakes end an execution, so most templates have few.
	care int
}

func (g *generator) one(of int) bool { return g.IntN(of) == 0 }

func (g *generator) careless() bool { return g.one(g.care) }

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// value is an operand that is mostly of a type; nil means any.
func (g *generator) value(typ reflect.Type, depth int) string {
	if g.careless() {
		switch g.IntN(4) {
		case 0:
			return `(fail "boom")`
		case 1:
			return g.pick(g.names...) // the bare name of a function
		case 2:
			return "(" + g.value(typ, depth-1) + ").GetOne"
		}
		return g.terms[g.IntN(len(g.terms))].text
	}
	choice := g.IntN(8)
	if choice <= 2 {
		if v := choose(g, g.vars, typ); v != "" {
			return v
		}
	}
	if depth > 0 {
		switch name := g.functionOf(typ); {
		case choice <= 4 && name != "":
			return "(" + g.call(name, depth-1) + ")"
		case choice == 5:
			return "(" + g.pipeline(typ, depth-1) + ")"
		}
	}
	if term := choose(g, g.terms, typ); term != "" {
		return term
	}
	return g.terms[g.IntN(len(g.terms))].text
}

// choose returns one of the terms that has a value of the type, empty if none has.
func choose(g *generator, terms []term, typ reflect.Type) string {
	if len(terms) == 0 {
		return ""
	}
	start := g.IntN(len(terms))
	for i := range terms {
		t := terms[(start+i)%len(terms)]
		if strings.HasPrefix(t.text, ".") && g.moved {
			continue
		}
		if typ == nil && (t.typ != nil || strings.HasPrefix(t.text, "$")) || typ != nil && t.typ != nil && t.typ.AssignableTo(typ) {
			return t.text
		}
	}
	return ""
}

// functionOf is a function whose result is of the type.
func (g *generator) functionOf(typ reflect.Type) string {
	if g.one(3) { // those of text/template are few
		if builtins := g.names[:g.builtins]; typ == nil {
			return g.pick(builtins...)
		}
	}
	start := g.IntN(len(g.names))
	for i := range g.names {
		name := g.names[(start+i)%len(g.names)]
		if fn := g.functions[name]; name != "fail" && fn != nil && (typ == nil || fn.Out(0).AssignableTo(typ)) {
			return name
		}
	}
	return ""
}

// call is the call of a function, whose last argument may come from the pipeline.
func (g *generator) call(name string, depth int) string {
	args := g.args(name, func(typ reflect.Type) string { return g.value(typ, depth) })
	return assemble(name, args, g.one(3))
}

func assemble(name string, args []string, piped bool) string {
	if last := len(args) - 1; piped && last >= 0 {
		return strings.TrimSpace(args[last] + " | " + name + " " + strings.Join(args[:last], " "))
	}
	return strings.TrimSpace(name + " " + strings.Join(args, " "))
}

// args are arguments that mostly suit a function.
func (g *generator) args(name string, value func(reflect.Type) string) []string {
	types := g.parameters(name)
	if g.careless() {
		types = append(types, nil)
	}
	if g.careless() {
		types = types[:max(len(types)-1, 0)]
	}
	args := make([]string, len(types))
	for i, typ := range types {
		args[i] = value(typ)
	}
	return args
}

// parameters are the types of arguments that a function takes.
func (g *generator) parameters(name string) (types []reflect.Type) {
	text, number := reflect.TypeFor[string](), reflect.TypeFor[int]()
	if fn := g.functions[name]; fn != nil {
		for i := range fn.NumIn() {
			if !fn.IsVariadic() || i < fn.NumIn()-1 {
				types = append(types, open(fn.In(i)))
				continue
			}
			for range g.IntN(4) {
				types = append(types, open(fn.In(i).Elem()))
			}
		}
		return types
	}
	kinds := []reflect.Type{text, number, reflect.TypeFor[bool](), reflect.TypeFor[float64](), nil}
	kind := kinds[g.IntN(len(kinds))]
	switch name {
	case "not", "len":
		return []reflect.Type{g.container(kind)}
	case "index":
		if g.one(2) {
			return []reflect.Type{reflect.TypeFor[[]any](), number}
		}
		return []reflect.Type{g.container(reflect.TypeFor[map[string]any]()), text, text}[:1+g.IntN(3)]
	case "slice":
		return []reflect.Type{text, number, number}[:1+g.IntN(3)]
	case "call":
		return []reflect.Type{reflect.TypeFor[func(...int) int](), number, number}[:1+g.IntN(3)]
	case "and", "or":
		return []reflect.Type{kinds[g.IntN(5)], kinds[g.IntN(5)], kinds[g.IntN(5)]}[:1+g.IntN(3)]
	case "eq":
		return []reflect.Type{kind, kind, kind}[:2+g.IntN(2)]
	}
	return []reflect.Type{kind, kind}
}

// container is the type of something that can be indexed and counted, or another.
func (g *generator) container(other reflect.Type) reflect.Type {
	return []reflect.Type{reflect.TypeFor[map[string]string](), reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]string](), other}[g.IntN(5)]
}

// open is nil for any.
func open(typ reflect.Type) reflect.Type {
	if typ == reflect.TypeFor[any]() {
		return nil
	}
	return typ
}

// pipeline is one command or more.
func (g *generator) pipeline(typ reflect.Type, depth int) string {
	if g.careless() {
		if g.one(2) {
			return g.value(nil, 0) + " " + g.value(nil, depth-1) // a method with an argument, or a mistake
		}
		return g.value(typ, depth) + " | " + g.pick(g.names...)
	}
	switch g.IntN(6) {
	case 0:
		return g.value(nil, depth) + " | " + g.pick("quote", "toJSON", "default \"d\"", "or true", "or \"\"", "and .Native", "and 1", "not", "print", "or", "and", "eq 1", "html | len")
	case 1, 2:
		if name := g.functionOf(typ); name != "" {
			return g.call(name, depth)
		}
	}
	return g.value(typ, depth)
}

// anyType is one of the types that variables have.
func (g *generator) anyType() reflect.Type {
	types := []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[bool](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]any](), nil}
	return types[g.IntN(len(types))]
}

// declared is the name of a new variable. It may be there already, so that one hides
// the other.
func (g *generator) declared() string {
	if n := len(g.vars); n > 0 && g.one(2) && g.vars[n-1].text != "$" {
		return g.vars[n-1].text
	}
	return g.pick("$a", "$b", fmt.Sprintf("$v%d", len(g.vars)))
}

// assignment assigns to a variable a value of the same type.
func (g *generator) assignment(depth int) string {
	v := g.vars[g.IntN(len(g.vars))]
	if v.text == "$" && !g.careless() {
		return g.value(nil, depth)
	}
	return v.text + " = " + g.pipeline(v.typ, depth)
}

// action writes an action. Blanks around it are trimmed at times.
func (g *generator) action(format string, args ...any) {
	g.out.WriteString(g.pick("{{", "{{", "{{", "{{- ") + fmt.Sprintf(format, args...) + g.pick("}}", "}}", "}}", " -}}"))
}

// scope writes a list of nodes; the variables that they declare end with it.
func (g *generator) scope(depth int) {
	seen := len(g.vars)
	for range 1 + g.IntN(2) {
		g.node(depth)
	}
	g.vars = g.vars[:seen]
}

// condition is the pipeline of if, with and template, which may declare a variable.
func (g *generator) condition() string {
	typ := g.anyType()
	switch {
	case g.one(4):
		name, e := g.declared(), g.pipeline(typ, 1)
		g.vars = append(g.vars, term{name, typ})
		return name + " := " + e
	case g.one(8) && len(g.vars) > 0:
		return g.assignment(1)
	}
	return g.pipeline(typ, 1)
}

func (g *generator) node(depth int) {
	seen := len(g.vars)
	switch kind := g.IntN(16); {
	case kind == 0:
		g.out.WriteString(g.pick(" text ", "\n", ";", "{{/* comment */}}", "{{- /* comment */ -}}"))
	case kind <= 2:
		name, typ := g.declared(), g.anyType()
		g.action("%s := %s", name, g.pipeline(typ, 2))
		g.vars = append(g.vars, term{name, typ})
	case kind <= 4 && len(g.vars) > 0:
		g.action("%s", g.assignment(1))
	case kind == 4 && g.careless():
		g.action("$undeclared = %s", g.pipeline(nil, 1))
	case kind == 5 && g.loops > 0 && g.one(2):
		g.action("%s", g.pick("break", "continue"))
	case kind == 6 && g.templates > 0:
		dot := g.pick("", ".", "$", "$", "$")
		if g.one(3) {
			dot = g.condition()
		}
		g.action("template \"%d\" %s", g.IntN(g.templates), dot)
	case kind <= 8 && depth > 0:
		with, moved := g.pick("if", "with"), g.moved
		g.action("%s %s", with, g.condition())
		g.moved = moved || with == "with"
		g.scope(depth - 1)
		g.moved = moved
		if g.one(3) {
			g.action("else %s %s", with, g.condition())
			g.moved = moved || with == "with"
			g.scope(depth - 1)
			g.moved = moved
		}
		g.otherwise(depth)
		g.vars = g.vars[:seen]
	case kind <= 11 && depth > 0:
		g.loop(depth)
		g.vars = g.vars[:seen]
	case kind == 12 && depth > 0:
		// A block is a template of its own, which cannot see variables.
		vars, loops, moved := g.vars, g.loops, g.moved
		dot := g.pick("$", "$", g.value(nil, 1))
		g.action("block \"b%d\" %s", g.out.Len(), dot)
		g.vars, g.loops, g.moved = dollar(), 0, false
		g.scope(depth - 1)
		g.vars, g.loops, g.moved = vars, loops, moved
		g.action("end")
	default:
		g.action("%s", g.pipeline(nil, 2))
		g.out.WriteByte(';')
	}
}

// dollar is the variable that each template has.
func dollar() []term { return []term{{text: "$"}} }

func (g *generator) otherwise(depth int) {
	if g.one(2) {
		g.action("else")
		g.scope(depth - 1)
	}
	g.action("end")
}

func (g *generator) loop(depth int) {
	over := g.pick("$.Spec.Containers", "$.Meta.Labels", "$.Values.items", "$.Values.global", "(list 1 \"a\" nil)", "(until 3)", "$.Odd.Empty", "$.Values.none", "(list)", "$.Odd.Structs")
	switch {
	case g.careless():
		over = g.pick("3", "$.Odd.Seq", "$.Odd.Seq2", "$.Odd.Chan", "$.Odd.Array", "$.Odd.AnyMap", "$.Odd.IntMap", "1.5", g.value(nil, 1))
	case g.one(3):
		over = g.value(g.container(nil), 1)
	}
	first, second := term{text: g.declared()}, term{text: g.declared()}
	switch g.IntN(6) {
	case 0, 1:
		g.action("range %s", over)
	case 2:
		g.action("range %s := %s", first.text, over)
		g.vars = append(g.vars, first)
	case 3, 4:
		g.action("range %s, %s := %s", first.text, second.text, over)
		g.vars = append(g.vars, first, second)
	default:
		if len(g.vars) == 0 {
			g.action("range %s", over)
		} else {
			g.action("range %s = %s", g.vars[g.IntN(len(g.vars))].text, over)
		}
	}
	// Each round prints something, so that the limit on the output ends every loop.
	g.out.WriteString(`{{","}}`)
	g.bound()
	moved := g.moved
	g.moved = true
	g.loops++
	g.scope(depth - 1)
	g.loops--
	g.moved = moved
	if g.one(3) {
		g.action("else")
		g.bound()
		g.scope(depth - 1)
		if g.loops > 0 && g.one(2) {
			g.action("%s", g.pick("break", "continue"))
		}
	}
	g.action("end")
}

// bound prints the variable that was declared last.
func (g *generator) bound() {
	if n := len(g.vars); n > 0 && g.one(2) {
		g.action("%s", g.vars[n-1].text)
	}
}

// template is a whole template, with up to two that it can call.
func (g *generator) template() string {
	g.care = []int{8, 100, 1000, 1000}[g.IntN(4)]
	for g.templates = 0; g.templates < 2 && g.one(3); g.templates++ {
		g.action("define \"%d\"", g.templates)
		g.vars = dollar()
		g.scope(1)
		g.action("end")
	}
	g.vars = nil
	g.scope(3)
	return g.out.String()
}
