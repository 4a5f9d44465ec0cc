package nearest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// List is a list of at most a number of the known names for a message, those most like
// the name first: the misspelled ones, then those that begin with the same letters.
func List(name string, known []string, limit int) string {
	sorted := slices.Clone(known)
	name = strings.ToLower(name)
	differ, alike := make(map[string]int, len(known)), make(map[string]int, len(known))
	for _, k := range known {
		lower := strings.ToLower(k)
		differ[k], alike[k] = min(distance(name, lower), most+1), common(name, lower)
	}
	slices.SortFunc(sorted, func(a, b string) int {
		return cmp.Or(differ[a]-differ[b], alike[b]-alike[a], cmp.Compare(a, b))
	})
	if more := len(sorted) - limit; more > 1 {
		return fmt.Sprintf("%s and %d more", strings.Join(sorted[:limit], ", "), more)
	}
	return strings.Join(sorted, ", ")
}

// common counts the letters that two names begin with alike.
func common(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// Like reports whether two names are alike: one may be the other one misspelled, or they
// begin with the same letters, half of the shorter one and three at least.
func Like(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return distance(a, b) <= most && max(len(a), len(b)) > 2*most || common(a, b) >= max(3, min(len(a), len(b))/2)
}
