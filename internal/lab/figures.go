package lab

import (
	"fmt"
	"os"
	"testing"
)

// figuresEnv names the file to which tests append the lines that make targets
// print at their end.
const figuresEnv = "FIGURES"

// Figure records one measured line: in the test's log, and in the file that
// FIGURES names.
func Figure(t testing.TB, line string) {
	t.Helper()
	t.Log(line)
	path := os.Getenv(figuresEnv)
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatalf("%s: %v", figuresEnv, err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, line); err != nil {
		t.Fatalf("%s: %v", figuresEnv, err)
	}
}
