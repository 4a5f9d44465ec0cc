package aliases

import (
	"errors"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	b := Bounds{Values: 8, Bytes: 20, Depth: 3}
	for name, tc := range map[string]struct{ text, want string }{
		"no alias, however large":     {strings.Repeat("[", 100) + strings.Repeat("]", 100), ""},
		"a star and an ampersand":     {"a: '*'\nb: '&'\n", ""},
		"an alias":                    {"a: &a [1, 2]\nb: *a\n", "more than 8, each alias"},
		"an alias that fits":          {"a: &a [1]\nb: *a\n", ""},
		"bytes":                       {"a: &a 1234567890\nb: *a\n", "more than 20 bytes, each alias"},
		"bytes that fit":              {"a: &a 123456789\nb: *a\n", ""},
		"depth":                       {"- &a [1]\n- [[*a]]\n", "nested more than 3 deep"},
		"depth that fits":             {"- &a [1]\n- [*a]\n", ""},
		"an anchor that holds itself": {"a: &a [*a]\n", "an alias stands for what it is part of"},
		"doubling":                    {"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "more than 8, each alias"},
	} {
		t.Run(name, func(t *testing.T) {
			err := b.Text([]byte(tc.text))
			var limit *Error
			if tc.want == "" && err != nil || tc.want != "" && (!errors.As(err, &limit) || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	var limit *Error
	if err := b.Text([]byte("a: [&a *a")); err == nil || errors.As(err, &limit) {
		t.Errorf("not YAML: %v", err)
	}
}
