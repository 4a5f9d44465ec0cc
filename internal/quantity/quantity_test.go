package quantity

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, text := range []string{"0", "100m", "128Mi", "1e3", "1E", "1Ei", "12E6", "1e-9", "+1.5", strings.Repeat("0", maxLength)} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		strings.Repeat("9", maxLength+1), "1e100", "1e1000000000", "1e-1000000000", "1E+0000000100", "12345678901234567890e10000000", "1e-99999999999999999999",
	} {
		if _, err := Parse(text); !IsLimit(err) || len(err.Error()) > 300 {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", "x", "1ee", "1e", "1e5x"} {
		if _, err := Parse(text); err == nil || IsLimit(err) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The worst that Parse lets through costs next to nothing.
func TestParseIsCheap(t *testing.T) {
	digits := strings.Repeat("9", maxLength-4)
	for _, text := range []string{digits + "e99", digits + "e-99", "1e-99", digits + "Ei"} {
		if n := testing.AllocsPerRun(10, func() { _, _ = Parse(text) }); n > 100 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}
