package partial_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"
)

// templatesVariable asks for more generated templates than a test has time for: it
// holds their number. It also makes TestArguments try every combination.
const templatesVariable = "GENERATED_TEMPLATES"

func asked(t *testing.T) (n int, long bool) {
	value, long := os.LookupEnv(templatesVariable)
	switch {
	case !long && testing.Short():
		return 1000, false
	case !long:
		return 5000, false
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s: invalid value %q, must be a number", templatesVariable, value)
	}
	return n, true
}

// source parses a file of the standard library.
func source(t testing.TB, pkg, file string) *ast.File {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", pkg).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", pkg, err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// builtins are the names of the functions that text/template has itself, read from
// its source: it does not export them.
func builtins(t testing.TB) (names []string) {
	t.Helper()
	ast.Inspect(source(t, "text/template", "funcs.go"), func(n ast.Node) bool {
		fn, ok := n.(*ast.FuncDecl)
		if !ok {
			return true
		}
		if fn.Name.Name == "builtins" {
			ast.Inspect(fn, func(n ast.Node) bool {
				if kv, ok := n.(*ast.KeyValueExpr); ok {
					name, _ := strconv.Unquote(kv.Key.(*ast.BasicLit).Value)
					names = append(names, name)
				}
				return true
			})
		}
		return false
	})
	if len(names) < 15 || !slices.Contains(names, "and") {
		t.Fatalf("the functions of text/template are not where they were: found %q", names)
	}
	return names
}

// nodeTypes are the names of the kinds of nodes that a parsed template has.
func nodeTypes(t *testing.T) (names []string) {
	t.Helper()
	ast.Inspect(source(t, "text/template/parse", "node.go"), func(n ast.Node) bool {
		typ, ok := n.(*ast.TypeSpec)
		if !ok || typ.Name.Name == "Node" {
			return true
		}
		if _, isStruct := typ.Type.(*ast.StructType); isStruct && strings.HasSuffix(typ.Name.Name, "Node") && typ.Name.IsExported() {
			names = append(names, typ.Name.Name)
		}
		return true
	})
	if len(names) < 20 {
		t.Fatalf("the nodes of text/template/parse are not where they were: found %q", names)
	}
	return names
}

// census counts what stands in templates.
type census map[string]int

// node counts a node and all below, by the name of its type. Calls of functions are
// counted apart, by name and whether an argument comes from the pipeline.
func (c census) node(n parse.Node) {
	if v := reflect.ValueOf(n); !v.IsValid() || v.IsNil() {
		return
	}
	c[reflect.TypeOf(n).Elem().Name()]++
	switch n := n.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			c.node(child)
		}
	case *parse.ActionNode:
		c.node(n.Pipe)
	case *parse.IfNode:
		c.branch(&n.BranchNode)
	case *parse.WithNode:
		c.branch(&n.BranchNode)
	case *parse.RangeNode:
		c.branch(&n.BranchNode)
	case *parse.TemplateNode:
		c.node(n.Pipe)
	case *parse.PipeNode:
		for i, cmd := range n.Cmds {
			c[reflect.TypeOf(cmd).Elem().Name()]++
			for j, arg := range cmd.Args {
				if f, ok := arg.(*parse.IdentifierNode); ok {
					c[call(f.Ident, i > 0 && j == 0)]++
				}
				c.node(arg)
			}
		}
	case *parse.ChainNode:
		c.node(n.Node)
	}
}

func (c census) branch(b *parse.BranchNode) {
	c.node(b.Pipe)
	c.node(b.List)
	c.node(b.ElseList)
}

func call(name string, piped bool) string {
	if piped {
		return "| " + name
	}
	return name
}

// notInTrees are nodes that no template has: those that the parser only works with,
// and comments, which it drops by default.
var notInTrees = map[string]bool{"BranchNode": true, "CommentNode": true}

func TestGeneratedTemplates(t *testing.T) {
	s := newSubject(t)
	g := newGrammar(s)
	seen, executed := census{}, census{}
	n, _ := asked(t)
	var sum outcome
	for seed := range uint64(n) {
		text := (&generator{choices: rand.New(rand.NewPCG(seed, 1)), grammar: g}).template()
		got := s.check(text)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		sum.texts += got.texts
		sum.programs += got.programs
		if got.parsed == nil {
			continue
		}
		for _, tmpl := range got.parsed.Templates() {
			seen.node(tmpl.Root)
			if got.programs > 0 {
				executed.node(tmpl.Root)
			}
		}
	}
	t.Logf("%d templates for %d pods: %d executions give a text, %d of these by a program", n, len(s.pods), sum.texts, sum.programs)
	// Where all fail there is nothing to compare.
	if sum.texts < n/4 || sum.programs < n/8 {
		t.Error("too few executions give a text")
	}
	if testing.Short() {
		return // too few to have everything
	}
	for _, name := range nodeTypes(t) {
		if seen[name] == 0 && !notInTrees[name] {
			t.Errorf("no template has a %s", name)
		}
	}
	for name := range g.functions {
		for _, piped := range []bool{false, true} {
			if seen[call(name, piped)] == 0 {
				t.Errorf("no template has the call %q", call(name, piped))
			}
		}
	}
	// What the language of programs has is also executed, by programs.
	for _, name := range []string{
		"ActionNode", "TextNode", "IfNode", "WithNode", "RangeNode", "TemplateNode", "PipeNode", "CommandNode", "ChainNode", "FieldNode", "VariableNode", "DotNode",
		"BoolNode", "NumberNode", "StringNode", "NilNode", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "| not", "| len", "| eq",
	} {
		if executed[name] == 0 {
			t.Errorf("no program has executed %q", name)
		}
	}
}

// Each function is called with each kind of value in each place, in different
// surroundings; the other arguments suit.
func TestArguments(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := newSubject(t)
	g := newGrammar(s)
	_, long := asked(t)
	// In the short form, some combinations are enough, once a function was executed.
	const oneIn, enough = 32, 1
	called := census{}
	surroundings := []string{
		`{{ %s }}`, `{{ if %s }}yes{{ else }}no{{ end }}`, `{{ with %s }}{{ . }}{{ else }}none{{ end }}`, `{{ $x := %s }}{{ $x }}{{ $x }}`,
		`{{ range $k, $v := %s }}{{ $k }}{{ $v }}{{ else }}none{{ end }}`, `{{ print (%s) }}`, `{{ %s | quote }}`, `{{ range .Spec.Containers }}{{ with $ }}{{ %s }}{{ end }}{{ end }}`,
	}
	tried := 0
	for _, name := range slices.Sorted(maps.Keys(g.functions)) {
		for at := range 4 {
			for i, term := range g.terms {
				for _, piped := range []bool{false, true} {
					hash := fnv.New32a()
					hash.Write([]byte(name + strconv.Itoa(at) + term.text + strconv.FormatBool(piped)))
					number := hash.Sum32()
					if !long && number%oneIn != 0 && called[name] >= enough {
						continue
					}
					gen := &generator{choices: rand.New(rand.NewPCG(uint64(number), uint64(i))), grammar: g, care: 1000}
					var args []string
					for _, typ := range gen.parameters(name) {
						args = append(args, gen.value(typ, 0))
					}
					switch {
					case at < len(args):
						args[at] = term.text
					case at > 0:
						continue
					}
					text := strings.Replace(surroundings[gen.IntN(len(surroundings))], "%s", assemble(name, args, piped), 1)
					tried++
					if s.check(text).first {
						called[name]++
					}
					if t.Failed() {
						t.FailNow()
					}
				}
			}
		}
	}
	var never []string
	for name := range g.functions {
		if called[name] == 0 {
			never = append(never, name)
		}
	}
	slices.Sort(never)
	t.Logf("%d templates; no program has called %q", tried, never)
	// Programs call every function, except call and what always fails. A version
	// with a constraint that suits semverCompare hardly ever comes up.
	if rare := []string{"call", "fail", "semverCompare"}; !containsAll(rare, never) {
		t.Errorf("no program has called %q; only %q may be missing", never, rare)
	}
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// fuzzed takes decisions from bytes; when they are used up, it takes the first.
type fuzzed struct{ bytes []byte }

func (f *fuzzed) IntN(n int) int {
	sum := 0
	for m := n; m > 1; m /= 256 {
		if len(f.bytes) == 0 {
			return 0
		}
		sum = sum*256 + int(f.bytes[0])
		f.bytes = f.bytes[1:]
	}
	return sum % n
}

// One pod for each execution: the same template comes again with another.
func FuzzGeneratedTemplates(f *testing.F) {
	shared := newSubject(f)
	for i := range shared.pods {
		f.Add([]byte("a template of few nodes"), uint8(i))
	}
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, uint8(0))
	g := newGrammar(shared)
	f.Fuzz(func(t *testing.T, bytes []byte, pod uint8) {
		s := *shared
		s.t = t
		i := int(pod) % len(s.pods)
		s.pods = s.pods[i : i+1]
		s.check((&generator{choices: &fuzzed{bytes}, grammar: g}).template())
	})
}
