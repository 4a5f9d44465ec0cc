package functions

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// join is written out for the two types that templates join; others go by
// their printed form, as in sprig.
func join(sep string, v any) string {
	var items []string
	switch v := v.(type) {
	case []string:
		items = v
	case []any:
		for _, e := range v {
			if e != nil {
				items = append(items, Text(e))
			}
		}
	case nil:
	default:
		r := reflect.ValueOf(v)
		if r.Kind() != reflect.Slice && r.Kind() != reflect.Array {
			items = []string{Text(v)}
			break
		}
		for i := range r.Len() {
			if e := r.Index(i).Interface(); e != nil {
				items = append(items, Text(e))
			}
		}
	}
	limitProduct(len(items), len(sep))
	return limitText(strings.Join(items, sep))
}

// Text returns the printed form of a value, as sprig prints it.
func Text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	}
	Size(reflect.ValueOf(v), maxValue)
	return fmt.Sprint(v)
}

func quote(args ...any) string {
	out := make([]string, 0, len(args))
	for _, a := range args {
		if a != nil {
			out = append(out, strconv.Quote(Text(a)))
		}
	}
	return limitText(strings.Join(out, " "))
}

func list(args ...any) []any {
	return limited(args)
}

func limited(args []any) []any {
	Size(reflect.ValueOf(args), maxValue)
	return args
}

// printf checks widths, which make long strings from short ones, and the
// number of verbs, since %[1]s may repeat one argument.
func printf(format string, args ...any) string {
	size := Size(reflect.ValueOf(args), maxValue)
	verbs, width := 0, 0
	for i := 0; i < len(format); i++ {
		switch c := format[i]; {
		case c == '%':
			verbs++
			width = 0
		case c == '*' && verbs > 0:
			refuse("printf: %q takes a width from its arguments, write it out", format)
		case c >= '0' && c <= '9':
			if width = width*10 + int(c-'0'); width > maxWidth && verbs > 0 && widthAt(format, i) {
				refuse("printf: a width in %.40q is larger than %d", format, maxWidth)
			}
		default:
			width = 0
		}
	}
	limitProduct(verbs, size+maxWidth)
	return limitText(fmt.Sprintf(format, args...))
}

// widthAt reports whether the digit at i belongs to a verb rather than to the
// text: between it and the last % stands nothing but flags and digits.
func widthAt(format string, i int) bool {
	start := strings.LastIndexByte(format[:i], '%')
	return start >= 0 && strings.Trim(format[start+1:i], "0123456789+-# .[]") == ""
}
