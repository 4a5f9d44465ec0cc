// Command jsonbench measures the candidates and prints what it found as JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/sidecar-injector/istio-sidecar-injector/test/jsonbench"
)

func main() {
	rounds := flag.Int("rounds", 15, "how many `times` each candidate has its turn")
	flag.Parse()
	costs, err := jsonbench.Compare(*rounds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "jsonbench:", err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	_ = out.Encode(costs) // a reader that went away needs no answer
}
