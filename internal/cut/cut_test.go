package cut

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		most int
		want string
	}{
		"short":              {"abc", 3, "abc"},
		"cut":                {"abcd", 3, "..."},
		"longer":             {"abcdefgh", 6, "abc..."},
		"within a character": {"aééééé", 7, "aé..."},
		"line breaks":        {"a\nb\r\x00c", 10, "a b  c"},
		"other line breaks":  {"a\u2028b\u0085c", 20, "a b c"},
		"not UTF-8":          {"a\xffb", 9, "ab"},
		"nothing is UTF-8":   {"\xff\xff\xff", 8, ""},
		"no character":       {"\x80\x80\x80\x80", 3, "..."},
		"nothing":            {"abc", 0, ""},
		"two dots":           {"abc", 2, ".."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Line(tc.in, tc.most); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\nb", 2)
	f.Add(strings.Repeat("é\xff", 50), 31)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most %= 1000
		got := Line(s, max(most, 0))
		if len(got) > max(most, 0) || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x00\u2028") {
			t.Errorf("at most %d bytes of %q: %q", most, s, got)
		}
	})
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"abc":              `"abc"`,
		"abcd":             `"abc"...`,
		"a\nb":             `"a\nb"`,
		"abé":              `"ab"...`,
		"\x80\x80\x80\x80": `""...`,
	} {
		if got := Quote(in, 3); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
