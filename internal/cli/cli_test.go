package cli

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestExecute(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"work", ExitOK, ""},
		{"work --fail", ExitFailure, "tool: first\ntool: second\n"},
		{"work --usage", ExitUsage, "tool: wrapped: bad mood\ntool: see kubectl tool --help\n"},
		{"work --frob", ExitUsage, "tool: unknown flag: --frob\ntool: see kubectl tool --help\n"},
		{"work extra", ExitUsage, "tool: unknown command \"extra\" for \"kubectl tool work\"\ntool: see kubectl tool --help\n"},
		{"rest", ExitUsage, "tool: unknown command \"rest\" for \"kubectl tool\"\ntool: see kubectl tool --help\n"},
		{"completion bash", ExitUsage, "tool: unknown command \"completion\" for \"kubectl tool\"\ntool: see kubectl tool --help\n"},
		{"--help", ExitOK, ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			root := &cobra.Command{Use: "tool", Args: cobra.NoArgs, Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl tool"}}
			root.RunE = func(*cobra.Command, []string) error { return nil }
			var fail, usage bool
			work := &cobra.Command{Use: "work", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
				switch {
				case fail:
					return errors.Join(errors.New("first"), errors.New("second"))
				case usage:
					return fmt.Errorf("wrapped: %w", Usagef("bad %s", "mood"))
				}
				return nil
			}}
			work.Flags().BoolVar(&fail, "fail", false, "")
			work.Flags().BoolVar(&usage, "usage", false, "")
			root.AddCommand(work)
			var stdout, stderr bytes.Buffer
			status := Execute(t.Context(), root, strings.Fields(c.args), &stdout, &stderr)
			if status != c.status || stderr.String() != c.stderr {
				t.Errorf("exit status %d, %q, want %d, %q", status, &stderr, c.status, c.stderr)
			}
			if help := strings.Contains(stdout.String(), "Usage:"); help != (c.args == "--help") {
				t.Errorf("standard output %q", &stdout)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	env := Environment([]string{"A=1", "B=x=y", "EMPTY=", "no entry", "A=2"})
	if len(env) != 3 || env["A"] != "2" || env["B"] != "x=y" {
		t.Errorf("got %q", env)
	}
}

func TestNewLogger(t *testing.T) {
	for format, want := range map[string]string{"json": `"msg":"shown"`, "text": "msg=shown"} {
		var out bytes.Buffer
		log := NewLogger(&out, format, slog.LevelWarn)
		log.Info("hidden")
		log.Warn("shown")
		if got := out.String(); !strings.Contains(got, want) || strings.Contains(got, "hidden") {
			t.Errorf("%s: %s", format, got)
		}
	}
}
