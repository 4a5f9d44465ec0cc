package templatedocs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/template"
	"text/template/parse"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// example shows functions of the current dialect, and of the classic one where that
// has them too.
type example struct {
	names, does, call string
	// gives is what a template writes; "an error: TEXT" where it ends with one that
	// contains the text.
	gives string
}

// group is a table of the document. Functions that are not ours are those of sprig.
type group struct {
	title    string
	ours     bool
	examples []example
}

// classicGives are results that differ in the classic dialect.
var classicGives = map[string]string{
	"applicationPorts":    "8080,53",
	"includeInboundPorts": "8080,53,15090",
}

var groups = []group{
	{"What a sidecar needs", true, []example{
		{"annotation", "the pod's annotation, or the third argument where it has none", `{{ annotation .ObjectMeta "example.com/level" "info" }}`, `debug`},
		{"isset", "whether a map of strings has a key", `{{ isset .ObjectMeta.Annotations "example.com/team" }}`, `true`},
		{"valueOrDefault", "the second argument for nothing and for an empty text", `{{ valueOrDefault "" "latest" }}`, `latest`},
		{"applicationPorts", "ports of the containers but the one named istio-proxy; of the current dialect those for TCP", `{{ applicationPorts .Spec.Containers }}`, `8080`},
		{"includeInboundPorts", "ports of all containers, likewise", `{{ includeInboundPorts .Spec.Containers }}`, `8080,15090`},
		{"excludeInboundPort", "a list of ports with one more", `{{ excludeInboundPort 15020 "8080" }}`, `8080,15020`},
		{"excludeInterfaces", "its argument, as it is", `{{ excludeInterfaces "net1" }}`, `net1`},
		{"kubevirtInterfaces", "its argument, as it is", `{{ kubevirtInterfaces "net1,net2" }}`, `net1,net2`},
		{"appendMultusNetwork", "the value of the Multus annotation with one more network", `{{ appendMultusNetwork "storage" "default/cni" }}`, `storage, default/cni`},
		{"otelResourceAttributes", "attributes of the service by OpenTelemetry's conventions, where the mesh asks for them; else nothing", `{{ otelResourceAttributes .MeshConfig .ObjectMeta.Annotations .ObjectMeta.Labels "shop" .Spec.Containers }}`, `service.namespace=shop,service.instance.id=shop.$(POD_NAME).app`},
		{"formatDuration", "a duration of the proxy or mesh configuration", `{{ formatDuration .ProxyConfig.DrainDuration }}`, `45s`},
		{"env", "an environment variable of the injector, of those that `templateEnv` names; else the second argument", `{{ env "REGION" "none" }}`, `north`},
		{"directory", "a path up to its last /", `{{ directory "/etc/certs/ca.pem" }}`, `/etc/certs/`},
	}},
	{"YAML and JSON", true, []example{
		{"toJSON", "JSON; the way to write a text that may hold anything", `{{ toJSON .ObjectMeta.Labels }}`, `{"app":"web","pod-template-hash":"abc"}`},
		{"toYaml", "YAML", `{{ toYaml .ObjectMeta.Labels }}`, "app: web\npod-template-hash: abc\n"},
		{"indent", "all lines but the first, indented", `{{ indent 2 "a: 1\nb: 2" }}`, "a: 1\n  b: 2"},
		{"fromJSON", "the value of a text in JSON; \"{}\" of what is none", `{{ (fromJSON "{\"a\": [1, 2]}").a }}`, `[1 2]`},
		{"structToJSON", "JSON of a part of the pod", `{{ structToJSON (index (index .Spec.Containers 0).Ports 0) }}`, `{"name":"http","containerPort":8080}`},
		{"protoToJSON", "JSON of the proxy configuration, without what equals its default", `{{ protoToJSON .ProxyConfig }}`, `{}`},
		{"toJsonMap", "JSON of maps of strings put together", `{{ toJsonMap .ObjectMeta.Labels (strdict "tier" "web") }}`, `{"app":"web","pod-template-hash":"abc","tier":"web"}`},
		{"omitNil", "a value without entries that are null", `{{ omitNil .Values.resources | toJson }}`, `{"limits":{"memory":"64Mi"}}`},
	}},
	{"Maps of strings, and text", true, []example{
		{"strdict", "a map of strings", `{{ strdict "a" "1" "b" "2" }}`, `map[a:1 b:2]`},
		{"mergeMaps", "maps of strings put together; the later one wins", `{{ mergeMaps (strdict "a" "1") (strdict "a" "2") }}`, `map[a:2]`},
		{"omit", "a map without some keys", `{{ omit .ObjectMeta.Labels "pod-template-hash" }}`, `map[app:web]`},
		{"contains", "whether the second text contains the first", `{{ contains "/" "registry/app" }}`, `true`},
		{"toLower", "lower case", `{{ toLower "Deployment" }}`, `deployment`},
		{"html", "text escaped for HTML", `{{ html "a<b" }}`, `a&lt;b`},
		{"js", "text escaped for JavaScript", `{{ js "it's" }}`, `it\'s`},
		{"urlquery", "text escaped for a URL's query", `{{ urlquery "a b&c" }}`, `a+b%26c`},
		{"print", "arguments as text; blanks between those that are no texts", `{{ print "a" 1 2 }}`, `a1 2`},
		{"println", "arguments as text, with blanks and an end of line", `{{ println "a" 1 }}`, "a 1\n"},
		{"printf", "text by a pattern of Go's package fmt", `{{ printf "%s:%03d" "app" 7 }}`, `app:007`},
	}},
	{"Defaults and choices", false, []example{
		{"default", "the second argument, or the first where that is empty", `{{ .Values.global.tag | default "latest" }}`, `latest`},
		{"coalesce", "the first argument that is not empty", `{{ coalesce "" .Values.global.hub "none" }}`, `registry.example.com`},
		{"ternary", "one of two, by a condition", `{{ ternary "on" "off" .NativeSidecars }}`, `on`},
		{"empty", "whether a value is nothing, 0, false or has no items", `{{ empty .Spec.InitContainers }}`, `true`},
		{"fail", "ends with an error of one's own, which refuses the pod", `{{ fail "set example.com/level" }}`, `an error: set example.com/level`},
		{"all, any", "whether all, or any, arguments are not empty", `{{ all 1 "a" }} {{ any 0 "" }}`, `true false`},
	}},
	{"Text", false, []example{
		{"quote, squote", "in double, in single quotation marks", `{{ quote "a" }} {{ squote "a" }}`, `"a" 'a'`},
		{"trim, trimAll, trimall, trimPrefix, trimSuffix", "without blanks, characters, a beginning, an end", `{{ trim " a " }} {{ trimAll "-" "-a-" }} {{ trimall "-" "-b-" }} {{ trimPrefix "v" "v1" }} {{ trimSuffix "/" "a/" }}`, `a a b 1 a`},
		{"lower, upper, title, untitle, swapcase", "in other letters", `{{ lower "A" }} {{ upper "a" }} {{ title "a b" }} {{ untitle "A B" }} {{ swapcase "aB" }}`, `a A A B a b Ab`},
		{"camelcase, kebabcase, snakecase, initials", "a name in another form", `{{ camelcase "my_app" }} {{ kebabcase "myApp" }} {{ snakecase "myApp" }} {{ initials "My App" }}`, `MyApp my-app my_app MA`},
		{"hasPrefix, hasSuffix", "whether a text begins, ends so", `{{ hasPrefix "v" "v1" }} {{ hasSuffix ":1" "app:2" }}`, `true false`},
		{"replace", "every occurrence replaced", `{{ replace "." "-" "a.b" }}`, `a-b`},
		{"repeat", "a text several times", `{{ repeat 3 "ab" }}`, `ababab`},
		{"substr, trunc", "a part of a text", `{{ substr 0 2 "abc" }} {{ trunc 2 "abc" }} {{ trunc -2 "abc" }}`, `ab ab bc`},
		{"abbrev, abbrevboth", "a text made shorter with dots", `{{ abbrev 6 "sidecars" }} {{ abbrevboth 2 8 "a long text" }}`, `sid... a lon...`},
		{"nospace, cat, plural", "without blanks; with one between each; one of two words", `{{ nospace "a b" }} {{ cat "a" 1 }} {{ plural "pod" "pods" 2 }}`, `ab a 1 pods`},
		{"nindent", "on lines of their own, indented", `{{ nindent 2 "a" }}`, "\n  a"},
		{"wrap, wrapWith", "lines of a length", `{{ wrap 3 "a b c" }} {{ wrapWith 3 "/" "a b c" }}`, "a b\nc a b/c"},
		{"toString, toStrings", "as text", `{{ toString 7 }} {{ toStrings (list 1 2) }}`, `7 [1 2]`},
		{"split, splitList, splitn, join", "text to parts and back", `{{ (split ":" "app:1")._1 }} {{ splitList "," "a,b" }} {{ (splitn ":" 2 "a:b:c")._1 }} {{ join "," (list "a" "b") }}`, `1 [a b] b:c a,b`},
		{"hello", "a greeting, which sprig has for tests", `{{ hello }}`, `Hello!`},
	}},
	{"Numbers", false, []example{
		{"int, int64, float64, atoi, toDecimal", "as a number; toDecimal from octal", `{{ int "7" }} {{ int64 7.9 }} {{ float64 "1.5" }} {{ atoi "8" }} {{ toDecimal 755 }}`, `7 7 1.5 8 493`},
		{"add, add1, sub, mul, div, mod", "with whole numbers", `{{ add 1 2 }} {{ add1 1 }} {{ sub 5 2 }} {{ mul 2 3 }} {{ div 7 2 }} {{ mod 7 2 }}`, `3 2 3 6 3 1`},
		{"addf, add1f, subf, mulf, divf", "with fractions", `{{ addf 1.5 2 }} {{ add1f 0.5 }} {{ subf 3 0.5 }} {{ mulf 1.5 2 }} {{ divf 3 2 }}`, `3.5 1.5 2.5 3 1.5`},
		{"max, min, biggest, maxf, minf", "the largest, the smallest", `{{ max 1 2 }} {{ min 1 2 }} {{ biggest 1 2 }} {{ maxf 1.5 2 }} {{ minf 1.5 2 }}`, `2 1 2 2 1.5`},
		{"ceil, floor, round", "to a whole number, to places", `{{ ceil 1.2 }} {{ floor 1.8 }} {{ round 1.257 2 }}`, `2 1 1.26`},
		{"duration", "seconds as a duration", `{{ duration "90" }}`, `1m30s`},
		{"until, untilStep, seq", "numbers in a row", `{{ until 3 }} {{ untilStep 1 10 4 }} {{ seq 1 3 }}`, `[0 1 2] [1 5 9] 1 2 3`},
	}},
	{"Lists", false, []example{
		{"list, tuple", "a list", `{{ list 1 "a" }} {{ tuple 1 "a" }}`, `[1 a] [1 a]`},
		{"first, last, rest, initial", "parts of a list", `{{ first (list 1 2 3) }} {{ last (list 1 2 3) }} {{ rest (list 1 2 3) }} {{ initial (list 1 2 3) }}`, `1 3 [2 3] [1 2]`},
		{"append, push, prepend, concat", "with more items", `{{ append (list 1) 2 }} {{ push (list 1) 2 }} {{ prepend (list 1) 0 }} {{ concat (list 1) (list 2) }}`, `[1 2] [1 2] [0 1] [1 2]`},
		{"has, without, uniq, compact", "found, left out, each once, without empty ones", `{{ has 1 (list 1 2) }} {{ without (list 1 2) 2 }} {{ uniq (list 1 1) }} {{ compact (list 1 "" 2) }}`, `true [1] [1] [1 2]`},
		{"reverse, sortAlpha, slice, chunk", "in another order, a part, in groups", `{{ reverse (list 1 2) }} {{ sortAlpha (list "b" "a") }} {{ slice (list 1 2 3) 1 }} {{ chunk 2 (list 1 2 3) }}`, `[2 1] [a b] [2 3] [[1 2] [3]]`},
	}},
	{"Maps", false, []example{
		{"dict", "a map", `{{ dict "a" 1 }}`, `map[a:1]`},
		{"get, dig, hasKey, pluck", "what is in it", `{{ get (dict "a" 1) "a" }} {{ dig "a" "b" "none" (dict "a" (dict "b" 2)) }} {{ hasKey (dict "a" 1) "b" }} {{ pluck "a" (dict "a" 1) (dict "a" 2) }}`, `1 2 false [1 2]`},
		{"keys, values", "sorted by key", `{{ keys (dict "b" 1 "a" 2) }} {{ values (dict "b" 1 "a" 2) }}`, `[a b] [2 1]`},
		{"pick", "some keys", `{{ pick (dict "a" 1 "b" 2) "a" }}`, `map[a:1]`},
		{"set, unset", "changes a map and gives it back", `{{ set (dict "a" 1) "b" 2 }} {{ unset (dict "a" 1) "a" }}`, `map[a:1 b:2] map[]`},
		{"merge, mergeOverwrite", "puts maps into the first one; of two values the first, the last wins", `{{ merge (dict "a" 1) (dict "a" 2 "b" 3) }} {{ mergeOverwrite (dict "a" 1) (dict "a" 2) }}`, `map[a:1 b:3] map[a:2]`},
		{"deepCopy, deepEqual", "a copy; whether two are the same", `{{ deepCopy (dict "a" 1) }} {{ deepEqual (list 1) (list 1) }}`, `map[a:1] true`},
	}},
	{"Encodings and digests", false, []example{
		{"toJson, toPrettyJson, toRawJson, fromJson", "JSON, on lines, without escapes; and back", `{{ toJson (dict "a" "<") }} {{ toRawJson (dict "a" "<") }} {{ toPrettyJson (list) }} {{ (fromJson "{\"a\": 1}").a }}`, `{"a":"\u003c"} {"a":"<"} [] 1`},
		{"b64enc, b64dec, b32enc, b32dec", "base64, base32", `{{ b64enc "a" }} {{ b64dec "YQ==" }} {{ b32enc "a" }} {{ b32dec "ME======" }}`, `YQ== a ME====== a`},
		{"sha1sum, sha256sum, sha512sum, adler32sum", "digests", `{{ sha1sum "a" | trunc 8 }} {{ sha256sum "a" | trunc 8 }} {{ sha512sum "a" | trunc 8 }} {{ adler32sum "a" }}`, `86f7e437 ca978112 1f40fc92 6422626`},
	}},
	{"Regular expressions", false, []example{
		{"regexMatch, regexFind, regexFindAll", "by Go's package regexp", `{{ regexMatch "^v[0-9]" "v1" }} {{ regexFind "[0-9]+" "v12" }} {{ regexFindAll "[0-9]" "v12" -1 }}`, `true 12 [1 2]`},
		{"regexReplaceAll, regexReplaceAllLiteral, regexSplit, regexQuoteMeta", "replaced, split, escaped", `{{ regexReplaceAll "v(.)" "v1" "${1}x" }} {{ regexReplaceAllLiteral "v" "v1" "$" }} {{ regexSplit "," "a,b" -1 }} {{ regexQuoteMeta "a.b" }}`, `1x $1 [a b] a\.b`},
	}},
	{"Versions, paths, addresses", false, []example{
		{"semver, semverCompare", "parts of a version; whether it fits", `{{ (semver "1.2.3").Minor }} {{ semverCompare ">=1.29" "1.33.1" }}`, `2 true`},
		{"base, dir, ext, clean, isAbs, osBase, osDir, osExt, osClean, osIsAbs", "parts of a path", `{{ base "a/b.c" }} {{ dir "a/b" }} {{ ext "b.c" }} {{ clean "a//b" }} {{ isAbs "/a" }} {{ osBase "a/b.c" }} {{ osDir "a/b" }} {{ osExt "b.c" }} {{ osClean "a//b" }} {{ osIsAbs "/a" }}`, `b.c a .c a/b true b.c a .c a/b true`},
		{"urlParse, urlJoin", "parts of a URL, and back", `{{ (urlParse "http://h:1/p").host }} {{ urlJoin (dict "scheme" "http" "host" "h" "path" "/p") }}`, `h:1 http://h/p`},
	}},
	{"Types", false, []example{
		{"kindOf, kindIs, typeOf, typeIs, typeIsLike", "what a value is", `{{ kindOf 1 }} {{ kindIs "int" 1 }} {{ typeOf 1 }} {{ typeIs "int" 1 }} {{ typeIsLike "int" 1 }}`, `int true int true true`},
	}},
}

func TestExamplesGiveWhatTheySay(t *testing.T) {
	classic := render.Classic()
	for _, g := range groups {
		for _, e := range g.examples {
			if got := outcome(t, render.Current(map[string]string{"REGION": "north"}), e.call, currentData()); !matches(got, e.gives) {
				t.Errorf("%s gives %q, want %q", e.call, got, e.gives)
			}
			if !g.ours || !slices.Contains(classic.Functions(), e.names) {
				continue
			}
			want := e.gives
			if differs, ok := classicGives[e.names]; ok {
				want = differs
			}
			call := strings.NewReplacer("{{", "[[", "}}", "]]").Replace(e.call)
			if got := outcome(t, classic, call, classicData()); got != want {
				t.Errorf("%s gives %q, want %q", call, got, want)
			}
		}
	}
}

func matches(got, want string) bool {
	text, fails := strings.CutPrefix(want, "an error: ")
	return got == want || fails && strings.HasPrefix(got, "an error: ") && strings.Contains(got, text)
}

// outcome is what a template writes, or its error.
func outcome(t *testing.T, l *render.Language, text string, data any) string {
	t.Helper()
	tmpl, err := l.Compile("example", text, config.Origin{}, render.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := tmpl.Execute(data)
	if err != nil {
		return "an error: " + err.Error()
	}
	return string(out)
}

// Every function that a template can call has an example, which calls it.
func TestNoFunctionIsMissing(t *testing.T) {
	shown := map[string]bool{}
	for _, g := range groups {
		for _, e := range g.examples {
			for name := range strings.SplitSeq(e.names, ", ") {
				if shown[name] {
					t.Errorf("%s is there twice", name)
				}
				shown[name] = true
				if !slices.Contains(called(t, e.call), name) {
					t.Errorf("the example of %s does not call it: %s", name, e.call)
				}
			}
		}
	}
	have := map[string]bool{}
	for _, name := range slices.Concat(render.Current(nil).Functions(), render.Classic().Functions()) {
		have[name] = true
		if !shown[name] && !slices.Contains(musts(), name) {
			t.Errorf("%s has no example", name)
		}
	}
	for name := range shown {
		if !have[name] {
			t.Errorf("there is no function %s", name)
		}
	}
	for _, name := range musts() {
		if plain := strings.ToLower(name[4:5]) + name[5:]; !shown[plain] {
			t.Errorf("%s is described by %s, which has no example", name, plain)
		}
	}
}

// musts are the functions of sprig whose failing is an error; without "must" they
// give nothing instead.
func musts() []string {
	return slices.DeleteFunc(render.Current(nil).Functions(), func(name string) bool { return !strings.HasPrefix(name, "must") })
}

// called returns the functions that a template calls.
func called(t *testing.T, text string) (names []string) {
	t.Helper()
	funcs := template.FuncMap{}
	for _, name := range render.Current(nil).Functions() {
		funcs[name] = func() string { return "" }
	}
	tree, err := template.New("example").Funcs(funcs).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(parse.Node)
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ListNode:
			for _, c := range n.Nodes {
				walk(c)
			}
		case *parse.ActionNode:
			walk(n.Pipe)
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				for _, a := range c.Args {
					walk(a)
				}
			}
		case *parse.ChainNode:
			walk(n.Node)
		case *parse.IdentifierNode:
			names = append(names, n.Ident)
		}
	}
	walk(tree.Root)
	return names
}

func functionsSection(*testing.T) string {
	classic := map[string]bool{}
	for _, name := range render.Classic().Functions() {
		classic[name] = true
	}
	current := map[string]bool{}
	for _, name := range render.Current(nil).Functions() {
		current[name] = true
	}
	var out strings.Builder
	for _, g := range groups {
		if g.ours {
			fmt.Fprintf(&out, "**%s**\n\n| function | what it gives | example | result | dialects |\n|---|---|---|---|---|\n", g.title)
		} else {
			fmt.Fprintf(&out, "**%s** (sprig, current dialect)\n\n| functions | what they give | example | result |\n|---|---|---|---|\n", g.title)
		}
		for _, e := range g.examples {
			fmt.Fprintf(&out, "| %s | %s | %s | %s |", code(strings.Split(e.names, ", ")...), cell(e.does), code(e.call), result(e.gives))
			if g.ours {
				fmt.Fprintf(&out, " %s |", dialects(current[e.names], classic[e.names]))
			}
			out.WriteString("\n")
		}
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "With `must` before their name, these functions end with an error where they otherwise give nothing: %s.\n", code(musts()...))
	extra := slices.DeleteFunc(slices.Sorted(maps.Keys(classic)), func(name string) bool { return name != "toJson" })
	fmt.Fprintf(&out, "The classic dialect has %s too, which is its %s, and of sprig nothing else.\n", code(extra...), code("toJSON"))
	return out.String()
}

func dialects(current, classic bool) string {
	switch {
	case current && classic:
		return "both"
	case classic:
		return "classic"
	}
	return "current"
}
