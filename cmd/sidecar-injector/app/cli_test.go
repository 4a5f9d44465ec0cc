package app

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// invoke runs the program to its end.
func invoke(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	status = Run(ctx, "v1.2.3", args, nil, nil, &out, &errs)
	if ctx.Err() != nil {
		t.Fatalf("%q ran on and on:\n%s", args, &errs)
	}
	return status, out.String(), errs.String()
}

// TestHelp pins every word of the help: it is what users read first.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"probe", "-h"}, {"validate", "-h"}, {"version", "-h"}} {
		name := strings.TrimSuffix(strings.Join(args, "_"), "_-h")
		if name == "-h" {
			name = "serve"
		}
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := invoke(t, args...)
			if status != 0 || stderr != "" {
				t.Errorf("exit status %d, standard error %q", status, stderr)
			}
			golden := filepath.Join("testdata", "help_"+name+".txt")
			if *update {
				must(t, os.MkdirAll("testdata", 0o755))
				must(t, os.WriteFile(golden, []byte(stdout), 0o644))
			}
			want, err := os.ReadFile(golden)
			must(t, err)
			if stdout != string(want) {
				t.Errorf("help has changed; look at it and run go test -update:\n%s", stdout)
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--prot=1"}, "unknown flag: --prot"},
		{[]string{"serve"}, `unknown command "serve" for "sidecar-injector"`},
		{[]string{"--port=x"}, `invalid --port "x": must be a number`},
		{[]string{"--port=70000"}, `invalid --port "70000": must be between 0 and 65535`},
		{[]string{"--port=15014"}, `invalid --monitoringPort "15014": must differ from --port`},
		{[]string{"--nativeSidecars=maybe"}, `invalid --nativeSidecars "maybe": must be "auto", "on" or "off"`},
		{[]string{"--platform=aix"}, `invalid --platform "aix": must be "openshift" or empty`},
		{[]string{"--injectConfig="}, `invalid --injectConfig "": must name a file`},
		{[]string{"--clientNames=a"}, `invalid --clientNames "a": must be names, and need --clientCAFile`},
		{[]string{"--injectConfigMap=istio"}, `invalid --injectConfigMap "istio": must have the form namespace/name`},
		{[]string{"--meshConfigMap=a/b/c"}, `invalid --meshConfigMap "a/b/c": must have the form namespace/name`},
		{[]string{"--certSecret=/x"}, `invalid --certSecret "/x": must have the form namespace/name`},
		{[]string{"--certSecret=a/b", "--certValidity=1h", "--caValidity=1m"}, `--caValidity 1m0s is shorter than --certValidity 1h0m0s`},
		{[]string{"--webhookConfigName="}, `invalid --webhookConfigName "": must name a MutatingWebhookConfiguration`},
		{[]string{"--webhookName="}, `invalid --webhookName "": must name the webhook entry`},
		{[]string{"--shutdownDelay=-1s"}, `invalid --shutdownDelay "-1s": must not be negative`},
		{[]string{"--healthCheckInterval=2"}, `invalid --healthCheckInterval "2": must be a duration with a unit, such as 30s or 1h`},
		{[]string{"--log_output_level=loud"}, `invalid --log_output_level "loud": must be debug, info, warn, error or none`},
		{[]string{"--log-format=xml"}, `invalid --log-format "xml": must be "text" or "json"`},
		{[]string{"--log_as_json=perhaps"}, `invalid --log_as_json "perhaps": must be true or false`},
		{[]string{"probe"}, `invalid --probe-path "": must name the server's --healthCheckFile`},
		{[]string{"probe", "--probe-path=/x", "--interval=-1s"}, `invalid --interval "-1s": must be longer than 0, for example 4s`},
		{[]string{"validate", "extra"}, `unknown command "extra" for "sidecar-injector validate"`},
		{[]string{"validate", "--platform=aix"}, `invalid --platform "aix"`},
		{[]string{"validate", "--dry-run=client"}, `invalid --dry-run "client": must be "none" or "server"`},
		{[]string{"validate", "--dry-run=server"}, `invalid --namespace "": must name the namespace of the dry runs`},
		{[]string{"validate", "--dry-run=server", "--namespace=a/b"}, `invalid --namespace "a/b": must name the namespace of the dry runs`},
		{[]string{"--reconcileWebhookConfig=maybe"}, `invalid --reconcileWebhookConfig "maybe": must be true or false`},
		{[]string{"probe", "--interval=4"}, `invalid --interval "4": must be a duration`},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			status, stdout, stderr := invoke(t, tt.args...)
			if status != 2 || stdout != "" {
				t.Errorf("exit status %d, standard output %q", status, stdout)
			}
			if !strings.Contains(stderr, "sidecar-injector: "+tt.want) && !strings.Contains(stderr, tt.want) {
				t.Errorf("got %s, want %s", stderr, tt.want)
			}
			if !strings.HasSuffix(stderr, "sidecar-injector: see sidecar-injector --help\n") {
				t.Errorf("no pointer to the help: %s", stderr)
			}
		})
	}
}

func TestAllUsageErrorsAtOnce(t *testing.T) {
	_, _, stderr := invoke(t, "--port=-1", "--log-format=xml", "--nativeSidecars=maybe")
	for _, flag := range []string{"--port", "--log-format", "--nativeSidecars"} {
		if !strings.Contains(stderr, "sidecar-injector: invalid "+flag) {
			t.Errorf("says nothing about %s:\n%s", flag, stderr)
		}
	}
}

func TestFailuresAtStart(t *testing.T) {
	taken, err := net.Listen("tcp", ":0")
	must(t, err)
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())

	for _, tt := range []struct {
		name string
		do   func(s *site) []string // returns flags to add
		want string
	}{
		{
			"no certificate", func(s *site) []string { return []string{"--tlsCertFile=/nowhere/cert.pem"} },
			"certificate: open /nowhere/cert.pem: no such file or directory",
		},
		{"certificate that does not match its key", func(s *site) []string {
			cert, _ := s.ca.issue(t, serviceName, time.Now().Add(time.Hour))
			_, key := s.ca.issue(t, serviceName, time.Now().Add(time.Hour))
			s.publishCerts(cert, key, s.ca.pem)
			return nil
		}, "cert-chain.pem does not match key "},
		{
			"no client CA", func(s *site) []string { return []string{"--clientCAFile=/nowhere/ca.pem"} },
			"--clientCAFile: open /nowhere/ca.pem: no such file or directory",
		},
		{
			"client CA that is none", func(s *site) []string { return []string{"--clientCAFile=" + s.path("mesh", "mesh")} },
			"mesh/mesh: no PEM block in it",
		},
		{
			"webhook port taken", func(s *site) []string { return []string{"--port=" + port} },
			"webhook port " + port + " is in use by another process: free it or choose another with --port",
		},
		{
			"monitoring port taken", func(s *site) []string { return []string{"--monitoringPort=" + port} },
			"monitoring port " + port + " is in use by another process: free it or choose another with --monitoringPort",
		},
		{
			"caBundle without an API server", func(s *site) []string { return []string{"--reconcileWebhookConfig=true"} },
			"--reconcileWebhookConfig=true needs an API server: ",
		},
		{
			"secret without an API server", func(s *site) []string { return []string{"--certSecret=a/b"} },
			"--certSecret needs an API server: ",
		},
		{
			"no kubeconfig", func(s *site) []string { return []string{"--kubeconfig=/nowhere/kubeconfig"} },
			"/nowhere/kubeconfig: no such file or directory",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			status, stdout, stderr := invoke(t, s.args(tt.do(s)...)...)
			if status != 1 || stdout != "" {
				t.Errorf("exit status %d, standard output %q", status, stdout)
			}
			var said []string
			for line := range strings.Lines(stderr) {
				if rest, ok := strings.CutPrefix(line, "sidecar-injector: "); ok {
					said = append(said, rest)
				}
			}
			if len(said) != 1 || !strings.Contains(said[0], tt.want) {
				t.Errorf("said %q, want one sentence with %q", said, tt.want)
			}
		})
	}
}

func TestEveryConfigurationErrorAtOnce(t *testing.T) {
	s := newSite(t)
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, "enabled", "sometimes"), "values": "["})
	status, _, stderr := invoke(t, append([]string{"validate"}, s.args()[:3]...)...)
	if status != 1 || !strings.Contains(stderr, "/inject/config:1:9: policy: ") || !strings.Contains(stderr, "/inject/values:") {
		t.Errorf("validate: exit status %d, %s", status, stderr)
	}
	if _, body := start(t, s).get("/readyz"); !strings.Contains(body, "/inject/config:1:9: policy: ") || !strings.Contains(body, "/inject/values:") {
		t.Errorf("/readyz says %s", body)
	}
}

func TestValidate(t *testing.T) {
	s := newSite(t)
	files := s.args()[:3]
	status, stdout, stderr := invoke(t, append([]string{"validate"}, files...)...)
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d, %s", status, stderr)
	}
	for _, want := range []string{"configuration is valid\n", "dialect:   current\n", "policy:    enabled\n", "templates: sidecar\n", "default:   sidecar\n", "hash:      "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}

	// Chart values are optional, for templates that name none.
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, "{{ .Values.mark }}", "none")})
	if status, _, stderr := invoke(t, append([]string{"validate"}, files...)...); status != 0 {
		t.Errorf("without values: exit status %d, %s", status, stderr)
	}

	// What compiles and fails on every pod is an error, too.
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, ".Values.mark", `index .Spec.Containers 99`)})
	status, _, stderr = invoke(t, append([]string{"validate"}, files...)...)
	if status != 1 || !strings.Contains(stderr, "sidecar") {
		t.Errorf("a template that fails: exit status %d, %s", status, stderr)
	}
}

// The API server is asked about a good configuration only, so nothing is said twice.
func TestValidateWithDryRun(t *testing.T) {
	s := newSite(t)
	var asked atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodPost || r.URL.Path != "/api/v1/namespaces/mesh/pods" || r.URL.Query().Get("dryRun") != "All" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422,"message":"is invalid","details":{"kind":"Pod","causes":[{"field":"spec.containers[1].image","message":"Required value"}]}}`)
	}))
	defer api.Close()
	kubeconfig := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(kubeconfig, fmt.Appendf(nil, "{clusters: [{name: a, cluster: {server: %q}}], contexts: [{name: a, context: {cluster: a}}], current-context: a}", api.URL), 0o600))
	args := append([]string{"validate", "--dry-run=server", "--namespace=mesh", "--kubeconfig=" + kubeconfig}, s.args()[:3]...)

	status, stdout, stderr := invoke(t, args...)
	const want = "the API server refuses the injected pod: spec.containers[1].image: Required value\n"
	if status != 1 || stdout != "" || strings.Count(stderr, want) != 1 || asked.Load() == 0 {
		t.Errorf("exit status %d after %d calls, %q, %q", status, asked.Load(), stdout, stderr)
	}

	asked.Store(0)
	s.publish("inject", map[string]string{"config": strings.ReplaceAll(goodConfig, "enabled", "sometimes")})
	if status, _, stderr := invoke(t, args...); status != 1 || strings.Count(stderr, "sometimes") != 1 || asked.Load() != 0 {
		t.Errorf("a bad configuration: exit status %d after %d calls, %q", status, asked.Load(), stderr)
	}
}

func TestVersion(t *testing.T) {
	status, stdout, stderr := invoke(t, "version")
	if status != 0 || stderr != "" || !strings.HasPrefix(stdout, "sidecar-injector v1.2.3 (") {
		t.Errorf("%d %q %q", status, stdout, stderr)
	}
}

func TestProbe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "health")
	if status, stdout, stderr := invoke(t, "probe", "--probe-path="+file, "--interval=4s"); status != 1 || stdout != "" || !strings.Contains(stderr, file) {
		t.Errorf("no file: %d %q %q", status, stdout, stderr)
	}
	must(t, os.WriteFile(file, nil, 0o600))
	if status, stdout, stderr := invoke(t, "probe", "--probe-path="+file, "--interval=1m"); status != 0 || stdout != "OK\n" || stderr != "" {
		t.Errorf("fresh: %d %q %q", status, stdout, stderr)
	}
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(file, old, old))
	if status, stdout, stderr := invoke(t, "probe", "--probe-path="+file, "--interval=1m"); status != 1 || stdout != "" || !strings.Contains(stderr, "more than the interval 1m0s") {
		t.Errorf("old: %d %q %q", status, stdout, stderr)
	}
}

func TestClassicCommandLine(t *testing.T) {
	s := newSite(t)
	i := start(t, s, "--log_target=stdout", "--log_rotate_max_size=100", "--ctrlz_port=9876", "--log_as_json", "--log_output_level=default:info,api:debug")
	i.waitReady()
	if log := i.log.String(); !strings.Contains(log, "--ctrlz_port --log_rotate_max_size --log_target") {
		t.Errorf("the log does not name the flags without meaning:\n%s", log)
	}
}

func TestParseLevel(t *testing.T) {
	for text, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "INFO": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "fatal": slog.LevelError,
		"none": levelNone, "default:warn": slog.LevelWarn, "default:warn,ads:debug": slog.LevelDebug, "all:none": levelNone,
	} {
		if got, err := parseLevel(text); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "default:", "info,x"} {
		if got, err := parseLevel(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}
