package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

const usage = `usage: charttool schema --schema FILE.json FILE...   each YAML or JSON file against a JSON schema
       charttool rules < MANIFESTS                   the groups of all PrometheusRules, as a rule file
`

// run returns the exit status: 0 good, 1 something is wrong, 2 usage.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet("charttool "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	var work func() error
	switch args[0] {
	case "schema":
		schema := flags.String("schema", "", "JSON schema")
		work = func() error {
			if *schema == "" || flags.NArg() == 0 {
				return errUsage
			}
			return checkFiles(*schema, flags.Args())
		}
	case "rules":
		work = func() error {
			if flags.NArg() != 0 {
				return errUsage
			}
			return writeRules(stdin, stdout)
		}
	default:
		fmt.Fprintf(stderr, "charttool: unknown command %q, must be schema or rules\n%s", args[0], usage)
		return 2
	}
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	switch err := work(); {
	case errors.Is(err, errUsage):
		fmt.Fprint(stderr, usage)
		return 2
	case err != nil:
		fmt.Fprintf(stderr, "%v\n", err)
		return 1
	}
	return 0
}

var errUsage = errors.New("usage")
