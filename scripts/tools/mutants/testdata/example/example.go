// Package example is what the tests of mutants change.
package example

// Limit returns at most three of the list.
func Limit(list []string) []string {
	const most = 3
	if len(list) > most { // the boundary cannot make a difference
		list = list[:most]
	}
	return list
}

// Greet makes a sentence; a difference of strings does not compile.
func Greet(name string) string {
	return "hello" + name
}

// Distance is tested with zero alone.
func Distance(a, b int) int {
	return a - b
}

// Count counts; that which counts down does not end.
func Count(n int) int {
	sum := 0
	for i := 0; i < n; i++ {
		sum = i
	}
	return sum
}
