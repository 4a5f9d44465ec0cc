// Command jsonbench measures the candidates and writes what it found.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/jsonbench"
)

func main() {
	rounds := flag.Int("rounds", 21, "how many `times` each candidate has its turn")
	out := flag.String("o", "", "`file` for the figures, as JSON; libraries that are in it already stay as they are")
	flag.Parse()
	if err := run(*rounds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "jsonbench:", err)
		os.Exit(1)
	}
}

func run(rounds int, out string) error {
	costs, err := jsonbench.Compare(rounds)
	if err != nil {
		return err
	}
	for _, c := range costs {
		fmt.Printf("%-8s %-38s decode %7.1f µs %5.0f allocs, %.2f times %s\n", c.Pod, c.Library, c.DecodeNanoseconds/1000, c.DecodeAllocs, c.DecodeRatio, jsonbench.Reference)
	}
	if out == "" {
		return nil
	}
	var old []figures.JSONCost
	if err := figures.Read(out, &old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return figures.Write(out, jsonbench.Merge(old, costs))
}
