package example

import "testing"

func TestExample(t *testing.T) {
	if n := len(Limit([]string{"a", "b"})); n != 2 {
		t.Error(n)
	}
	if n := len(Limit([]string{"a", "b", "c", "d"})); n != 3 {
		t.Error(n)
	}
	if got := Greet("you"); got != "helloyou" {
		t.Error(got)
	}
	if got := Distance(0, 0); got != 0 {
		t.Error(got)
	}
	if got := Count(3); got != 2 {
		t.Error(got)
	}
}
