// Command release makes those parts of a release for which no tool of others
// fits: the bill of materials of static Go programs, and a chart package whose
// bytes depend on its content alone.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
