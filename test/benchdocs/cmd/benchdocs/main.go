// Command benchdocs makes tables and plots from the recorded figures.
package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/sidecar-injector/istio-sidecar-injector/test/benchdocs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: benchdocs ROOT")
		os.Exit(2)
	}
	names, err := benchdocs.Write(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchdocs:", err)
		os.Exit(1)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Println(name)
	}
}
