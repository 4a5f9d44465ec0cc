package app

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the golden files and scripts anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"kubectl-sidecar": func() {
			os.Exit(Run(context.Background(), "v1.2.3", os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// The scripts run the program as people do. CHART is the project's own chart;
// KUBECONFIG leads to a cluster in which that chart is installed.
func TestScripts(t *testing.T) {
	chart, err := filepath.Abs("../../../charts/istio-sidecar-injector")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("CHART", chart)
			// No test may find a cluster of the one who runs it.
			e.Setenv("KUBECONFIG", filepath.Join(e.WorkDir, "no-such-config"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"cluster": startCluster(t, chart)},
	})
}

// invoke runs the program to its end.
func invoke(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Run(context.Background(), "v1.2.3", args, nil, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// TestHelp pins every word of the help: it is what users read first. kubectl's
// own flags, which follow, are not ours.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"inject", "-h"}, {"uninject", "-h"}, {"explain", "-h"}, {"validate", "-h"}, {"status", "-h"}, {"version", "-h"}} {
		name := args[0]
		if name == "-h" {
			name = "root"
		}
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := invoke(t, args...)
			if status != 0 || stderr != "" {
				t.Errorf("exit status %d, standard error %q", status, stderr)
			}
			if name != "root" {
				ours, _, found := strings.Cut(stdout, "Global Flags:\n")
				if !found || !strings.Contains(stdout, "--context") {
					t.Error("kubectl's own flags are missing")
				}
				stdout = ours
			} else {
				stdout, _, _ = strings.Cut(stdout, "Flags:\n")
			}
			golden := filepath.Join("testdata", "help_"+name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(stdout), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if stdout != string(want) {
				t.Errorf("help has changed; look at it and run go test -update:\n%s", stdout)
			}
		})
	}
}

// A command line that cannot be meant exits with 2 and says what to do; a
// failure exits with 1.
func TestExitStatus(t *testing.T) {
	for _, tc := range []struct {
		args   string
		status int
		want   string
	}{
		{"", 2, "give a command: inject, uninject, explain, validate, status or version"},
		{"plan9", 2, `unknown command "plan9"`},
		{"inject", 2, "give a manifest with -f FILE, or -f - for standard input"},
		{"inject --wrong", 2, "unknown flag: --wrong"},
		{"inject -f x -o xml", 2, `invalid --output "xml": must be "yaml" or "json"`},
		{"inject -f - --nativeSidecars maybe --platform mars", 2, `invalid --nativeSidecars "maybe": must be "auto", "on" or "off"`},
		{"inject -f - --platform mars", 2, `invalid --platform "mars": must be "openshift" or empty`},
		{"inject -f - --set a=b", 2, "--set is about a chart: give --chart as well"},
		{"inject -f - --set-file a=b --set-json c=1", 2, "--set-json is about a chart: give --chart as well"},
		{"inject -f /no/such/file", 1, "open /no/such/file"},
		{"inject -f - --injectConfigFile /no/such/file --meshConfigFile /none/either", 1, "open /none/either"},
		{"inject -f - --chart /no/such/chart", 1, "chart /no/such/chart: "},
		{"validate --dry-run client", 2, `invalid --dry-run "client": must be "none" or "server"`},
		{"validate extra", 2, `unknown command "extra"`},
		{"explain", 2, "give either a POD, a KIND/NAME, or a manifest with -f FILE"},
		{"explain pod -f x", 2, "give either a POD, a KIND/NAME, or a manifest with -f FILE"},
		{"explain pod -o yaml", 2, `invalid --output "yaml": must be "json", or left out`},
		{"version --client", 0, ""},
		{"version --kubeconfig /no/such/config", 1, "(with --client only this program is asked)"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			status, stdout, stderr := invoke(t, strings.Fields(tc.args)...)
			if status != tc.status || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit status %d, standard error:\n%s", status, stderr)
			}
			if tc.status == 0 && !strings.HasPrefix(stdout, "client: v1.2.3 (") {
				t.Errorf("output %q", stdout)
			}
		})
	}
}
