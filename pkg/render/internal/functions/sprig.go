package functions

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// removed lists the functions of sprig that templates do not get: those that
// reach outside, read the clock or its time zone, draw random numbers, or cost
// without bound.
func removed() []string {
	return []string{
		// environment and network; env comes back with an allow list
		"env", "expandenv", "getHostByName",
		// clock; without now there is no time that the others could work on
		"now", "ago", "date", "date_in_zone", "dateInZone", "date_modify", "dateModify",
		"must_date_modify", "mustDateModify", "htmlDate", "htmlDateInZone",
		"toDate", "mustToDate", "unixEpoch", "durationRound",
		// randomness
		"randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt",
		"shuffle", "uuidv4", "encryptAES",
		// cost, and keys that nobody could ever rotate
		"bcrypt", "htpasswd", "derivePassword", "genPrivateKey", "genCA", "genCAWithKey",
		"genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
		"buildCustomCert", "decryptAES",
	}
}

// Removed reports whether a function is one of sprig's that templates do not get.
func Removed(name string) bool { return slices.Contains(removed(), name) }

// harmless lists the functions of sprig whose result is hardly larger than their
// arguments, however often they are applied, and whose cost is linear. They are
// called as they are, because templates call them often.
func harmless() []string {
	return []string{
		"default", "empty", "coalesce", "ternary", "trunc", "trim", "trimAll", "trimall", "trimPrefix",
		"trimSuffix", "lower", "hasPrefix", "hasSuffix", "int", "int64", "float64", "atoi",
		"add", "add1", "sub", "mul", "div", "mod", "max", "min", "biggest", "kindOf", "kindIs",
		"typeOf", "typeIs", "typeIsLike", "hasKey", "get", "first", "last", "base", "dir", "ext",
		"clean", "isAbs", "fail",
	}
}

// sprigFuncs returns what is left of sprig, within limits.
func sprigFuncs() template.FuncMap {
	m := sprig.TxtFuncMap()
	for _, name := range removed() {
		delete(m, name)
	}
	plain := map[string]any{}
	for _, name := range harmless() {
		plain[name] = m[name]
	}
	checked := multiplying(m)
	for name, f := range m {
		m[name] = bounded(f)
	}
	for name, f := range checked {
		m[name] = f
	}
	for name, f := range plain {
		m[name] = f
	}
	return m
}

// multiplying returns those functions of sprig anew whose result or cost is not
// linear in their arguments, with a check before they do anything, and those
// whose result depends on the order of a map.
func multiplying(m template.FuncMap) template.FuncMap {
	out := template.FuncMap{
		"repeat": func(n int, s string) string {
			if n < 0 {
				refuse("repeat: invalid count %d, must not be negative", n)
			}
			limitProduct(n, len(s))
			return limitText(strings.Repeat(s, n))
		},
		"until":     func(n int) []int { return steps(0, n, sign(n)) },
		"untilStep": func(start, stop, step int) []int { return steps(start, stop, step) },
		"seq":       seq,
		"indent":    func(n int, s string) string { return pad(n, s) },
		"nindent":   func(n int, s string) string { return "\n" + pad(n, s) },
		"replace": func(old, new, s string) string {
			limitProduct(strings.Count(s, old), len(new))
			return limitText(strings.ReplaceAll(s, old, new))
		},
		"join":    join,
		"quote":   quote,
		"keys":    mapKeys,
		"values":  mapValues,
		"print":   func(args ...any) string { return limitText(fmt.Sprint(limited(args)...)) },
		"println": func(args ...any) string { return limitText(fmt.Sprintln(limited(args)...)) },
		"printf":  printf,
		"list":    list,
		"tuple":   list,
	}
	// sprig's own sorts a list of strings in its place, which may be the pod's.
	sorted := bounded(m["sortAlpha"]).(func(any) []string)
	out["sortAlpha"] = func(v any) []string {
		if s, ok := v.([]string); ok {
			v = slices.Clone(s)
		}
		return sorted(v)
	}
	push := bounded(m["append"]).(func(any, any) []any)
	for _, name := range []string{"append", "push"} {
		out[name] = func(to, v any) []any {
			if l, ok := to.([]any); ok {
				return limited(append(slices.Clip(l), v))
			}
			return push(to, v)
		}
	}
	wrap := m["wrapWith"].(func(int, string, string) string)
	wrapWith := func(n int, sep, s string) string {
		limitProduct(len(s)/max(n, 1)+1, len(sep))
		return limitText(wrap(n, sep, s))
	}
	out["wrapWith"] = wrapWith
	out["wrap"] = func(n int, s string) string { return wrapWith(n, "\n", s) }
	for _, name := range []string{"uniq", "mustUniq", "without", "mustWithout"} {
		out[name] = shortList(m[name])
	}
	for _, name := range []string{"regexMatch", "regexFind", "mustRegexMatch", "mustRegexFind"} {
		out[name] = matching(m[name], false)
	}
	for _, name := range []string{
		"regexFindAll", "regexReplaceAll", "regexReplaceAllLiteral", "regexSplit",
		"mustRegexFindAll", "mustRegexReplaceAll", "mustRegexReplaceAllLiteral", "mustRegexSplit",
	} {
		out[name] = matching(m[name], true)
	}
	for _, name := range []string{"split", "splitList", "splitn"} {
		out[name] = apart(m[name])
	}
	for _, name := range []string{"fromJson", "mustFromJson"} {
		out[name] = shorter(bounded(m[name]), "a text in JSON", maxParsed)
	}
	for _, name := range []string{"addf", "add1f", "subf", "divf", "mulf"} {
		out[name] = few(m[name])
	}
	for _, name := range []string{"semver", "semverCompare"} {
		out[name] = shorter(bounded(m[name]), "a version", maxVersion)
	}
	return out
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

func steps(start, stop, step int) []int {
	if step == 0 || step > 0 && stop < start || step < 0 && stop > start {
		return []int{}
	}
	distance, stride := uint64(stop-start), uint64(step)
	if step < 0 {
		distance, stride = uint64(start-stop), uint64(-step)
	}
	n := distance / stride
	if distance%stride > 0 {
		n++
	}
	if n > maxRange {
		refuse("counts more than %d", maxRange)
	}
	out := make([]int, 0, n)
	for i := range int(n) {
		out = append(out, start+i*step)
	}
	return out
}

// seq counts like its namesake on the command line: last, or first last, or
// first step last.
func seq(args ...int) string {
	var numbers []int
	switch len(args) {
	case 1:
		numbers = counted(1, args[0], sign(args[0]-1))
	case 2:
		numbers = counted(args[0], args[1], sign(args[1]-args[0]))
	case 3:
		numbers = counted(args[0], args[2], args[1])
	}
	return strings.Trim(fmt.Sprint(numbers), "[]")
}

func counted(first, last, step int) []int {
	if step > 0 && last < first || step < 0 && last > first {
		return nil
	}
	return steps(first, last+sign(step), step)
}

func pad(n int, s string) string {
	if n < 0 {
		refuse("indent: invalid width %d, must not be negative", n)
	}
	limitProduct(strings.Count(s, "\n")+1, n)
	blanks := strings.Repeat(" ", n)
	return limitText(blanks + strings.ReplaceAll(s, "\n", "\n"+blanks))
}

// mapKeys and mapValues follow the order of the keys: sprig's own follow the
// order of iteration, which differs from one execution to the next.
func mapKeys(maps ...map[string]any) []string {
	var out []string
	for _, m := range maps {
		out = append(out, sortedKeys(m)...)
	}
	return out
}

func mapValues(m map[string]any) []any {
	out := make([]any, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, m[k])
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// shortList limits the list of functions that compare each item with each other. The list
// is their first argument.
func shortList(f any) any {
	inner := reflect.ValueOf(bounded(f))
	call := inner.Call
	if inner.Type().IsVariadic() {
		call = inner.CallSlice
	}
	return reflect.MakeFunc(inner.Type(), func(args []reflect.Value) []reflect.Value {
		l := args[0]
		if l.Kind() == reflect.Interface {
			l = l.Elem()
		}
		if l.Kind() == reflect.Slice && l.Len() > maxUnique {
			refuse("a list has more than the %d items that can be compared with each other", maxUnique)
		}
		return call(args)
	}).Interface()
}

// ChangesArguments reports whether a function changes a map that it is given.
func ChangesArguments(function string) bool {
	switch function {
	case "set", "unset", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite":
		return true
	}
	return false
}
