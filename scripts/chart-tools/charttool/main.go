// Command charttool holds the small checks of the chart for which no tool of
// others fits: files against a JSON schema, and the rules of a PrometheusRule in
// the form promtool reads.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
