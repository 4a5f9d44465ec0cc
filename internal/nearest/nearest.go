// Package nearest finds the name that somebody meant who misspelled it.
package nearest

import "strings"

// maxLength is the length of the longest name that is compared, in bytes: a comparison
// takes the product of two lengths.
const maxLength = 64

// most is how many letters may be added, dropped or changed.
const most = 2

// Of returns the known name that is most like a name: that differs by case only, or by at
// most two letters added, dropped or changed. It is empty when there is none.
func Of(name string, known []string) string {
	found, least := "", min(most, len(name)-1)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least {
			found, least = k, d
		}
	}
	return found
}

// distance is the number of letters to be added, dropped or changed between two names; more
// than most when they are too long or too different to count.
func distance(a, b string) int {
	if len(a) > maxLength || len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
