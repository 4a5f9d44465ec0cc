package main

import (
	"slices"
	"strings"
	"testing"
)

func TestCombine(t *testing.T) {
	const source = `package p

const fixed = 1 < 2

// f has comparisons within comparisons.
func f(a, b, c int, d bool) bool {
	for i := 0; i < len("abc"); i++ {
		a += i
	}
	return (a <= b) == (b+1 > c) && d != (a ==
		c)
}
`
	at := func(line, column int, kind string) mutant { return mutant{Line: line, Column: column, Kind: kind} }
	changes := []mutant{
		at(3, 17, "CONDITIONALS_NEGATION"),
		at(7, 16, "CONDITIONALS_BOUNDARY"), at(7, 16, "CONDITIONALS_NEGATION"), at(7, 31, "INCREMENT_DECREMENT"),
		at(10, 12, "CONDITIONALS_BOUNDARY"), at(10, 18, "CONDITIONALS_NEGATION"),
		at(10, 23, "ARITHMETIC_BASE"), at(10, 26, "CONDITIONALS_BOUNDARY"),
		at(10, 36, "CONDITIONALS_NEGATION"), at(10, 42, "CONDITIONALS_NEGATION"),
	}
	combined, pkg, err := combine([]byte(source), changes, 5)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`i < len("abc")`, `((mutantLSS(5, i , len("abc"))) != mutant(6))`,
		"(a <= b) == (b+1 > c) && d != (a ==\n\t\tc)",
		"((((mutantLEQ(7, a , b))) == ((mutantGTR(8, b+1 , c)))) != mutant(9)) && ((d != (((a ==\n\t\tc) != mutant(10)))) != mutant(11))",
	).Replace(source)
	if string(combined) != want || pkg != "p" {
		t.Errorf("package %s, got\n%s\nwant\n%s", pkg, combined, want)
	}
	var numbers []int
	for _, m := range changes {
		numbers = append(numbers, m.Number)
	}
	if want := []int{0, 5, 6, 0, 7, 9, 0, 8, 11, 10}; !slices.Equal(numbers, want) {
		t.Errorf("numbers %v, want %v", numbers, want)
	}
}
