// Command licences lists the modules that programs are linked from with their
// licences and the licences' texts, and holds them against an allow list. It
// exits with 1 when a licence is not allowed or not known, and, with -check, when
// the list in the file is not today's.
//
//	licences [-check] -allow FILE -o FILE -platforms OS/ARCH,... PACKAGE...
//
// Licences are told by the classifier of github.com/google/go-licenses. Its
// command is not used, because it asks the network for each module's address,
// reads one file of each module, and leaves out NOTICE files and Go itself.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// errStale is said when the file is not what would be written.
var errStale = errors.New("is not up to date: run 'make licences-update' and read the difference")

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("licences", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "compare with the file in place of writing it")
	allow := flags.String("allow", "", "`file` with the allowed licences, in each line an SPDX identifier and, where not all, the programs")
	out := flags.String("o", "", "`file` of the list")
	platforms := flags.String("platforms", "linux/amd64", "`platforms` that the programs are built for, comma separated")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 || *allow == "" || *out == "" {
		flags.Usage()
		return 2
	}
	n, err := list(flags.Args(), strings.Split(*platforms, ","), *allow, *out, *check)
	if err != nil {
		fmt.Fprintln(stderr, "licences:", err)
		return 1
	}
	fmt.Fprintf(stdout, "licences: modules %d, not allowed 0\n", n)
	return 0
}

// list returns how many modules it found.
func list(packages, platforms []string, allow, out string, check bool) (int, error) {
	text, err := os.ReadFile(allow)
	if err != nil {
		return 0, err
	}
	modules, err := find(packages, platforms)
	if err != nil {
		return 0, err
	}
	allowed := parseAllowed(string(text))
	if err := modules.check(allowed); err != nil {
		return 0, fmt.Errorf("%w\nallowed by %s are %s", err, allow, strings.Join(slices.Sorted(maps.Keys(allowed)), ", "))
	}
	want := modules.notices()
	if !check {
		return len(modules), os.WriteFile(out, want, 0o644)
	}
	is, err := os.ReadFile(out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	if !bytes.Equal(is, want) {
		return 0, fmt.Errorf("%s %w", out, errStale)
	}
	return len(modules), nil
}

// parseAllowed reads one licence from each line, and after it the programs that it
// is allowed in; none means all. What follows a # is a comment.
func parseAllowed(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			out[words[0]] = words[1:]
		}
	}
	return out
}
