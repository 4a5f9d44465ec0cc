package serve

import (
	"slices"
	"testing"
)

func TestEachTroubleIsToldOnce(t *testing.T) {
	got := union([]string{"secret-watch", "self-check"}, nil, []string{"secret-watch", "cabundle-patch"})
	if want := []string{"cabundle-patch", "secret-watch", "self-check"}; !slices.Equal(got, want) {
		t.Errorf("open are %q, want %q", got, want)
	}
}
