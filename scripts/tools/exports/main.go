// Command exports lists the exported identifiers of pkg and internal that no other
// package needs, so that they can be unexported or deleted. It exits with 1 when
// there are any.
//
//	exports [-allow FILE] DIRECTORY
//
// An identifier is needed when a package other than its own refers to it, tests of
// other packages included, or when it is part of the exported declaration of one
// that is needed: the type of a result, of a field, of a method's argument. A
// constant or variable is needed with its type. Error types and errors are needed,
// because a caller may look for them in a chain.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	allow := flag.String("allow", "", "`file` with exceptions: an identifier and a reason in each line")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	problems, err := run(flag.Arg(0), *allow)
	if err != nil {
		fmt.Fprintln(os.Stderr, "exports:", err)
		os.Exit(2)
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

// run returns what is wrong in the module in dir.
func run(dir, allow string) ([]string, error) {
	allowed := map[string]string{}
	if allow != "" {
		text, err := os.ReadFile(allow)
		if err != nil {
			return nil, err
		}
		if allowed, err = parseAllowed(filepath.Base(allow), string(text)); err != nil {
			return nil, err
		}
	}
	packages, err := load(dir)
	if err != nil {
		return nil, err
	}
	return check(unneeded(packages), allowed), nil
}
