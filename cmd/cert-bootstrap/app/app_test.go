package app

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func invoke(t *testing.T, env []string, args ...string) (code int, out, errors string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), args, env, nil, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestHelp(t *testing.T) {
	golden := filepath.Join("testdata", "help.txt")
	for _, flag := range []string{"-h", "--help"} {
		code, out, errors := invoke(t, nil, flag)
		if code != 0 || errors != "" {
			t.Fatalf("exit status %d, %s", code, errors)
		}
		if *update {
			if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if out != string(want) {
			t.Errorf("help differs from %s (run with -update):\n%s", golden, out)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	ok := []string{"--namespace", "ns"}
	tests := map[string]struct {
		args []string
		want []string
	}{
		"unknown flag":     {[]string{"--nmespace", "x"}, []string{"unknown flag: --nmespace"}},
		"argument":         {append(ok, "up"), []string{`unexpected argument "up"`}},
		"bad mode":         {append(ok, "--mode", "once"), []string{`invalid --mode "once", must be one of bootstrap, renew, wait`}},
		"bad duration":     {append(ok, "--timeout", "1"), []string{`"1"`, "--timeout"}},
		"bad log format":   {append(ok, "--log-format", "xml"), []string{`invalid --log-format "xml", must be "text" or "json"`}},
		"no namespace":     {nil, []string{"--namespace is missing, and POD_NAMESPACE is not set"}},
		"bad secret name":  {append(ok, "--secret", "a/b"), []string{`--secret "a/b"`}},
		"all at once":      {[]string{"--mode", "x", "--timeout", "0s", "--service", ""}, []string{"--mode", "--timeout", "--service", "--namespace"}},
		"policy":           {append(ok, "--caValidity", "1h", "--certValidity", "2h"), []string{"--caValidity 1h0m0s is shorter than --certValidity 2h0m0s"}},
		"guard's names":    {append(ok, "--validatingWebhookConfigName", ","), []string{`invalid --validatingWebhookConfigName ","`}},
		"guard alone":      {append(ok, "--validatingWebhookConfigName", "x", "--webhookConfigName="), []string{"--validatingWebhookConfigName needs --webhookConfigName"}},
		"renew in no time": {append(ok, "--mode", "renew", "--timeout", "30s"), []string{"--timeout 30s must be more than --trustPropagation 1m0s"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, out, errors := invoke(t, nil, tt.args...)
			if code != 2 || out != "" {
				t.Errorf("exit status %d, stdout %q", code, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(errors, want) {
					t.Errorf("%q lacks %q", errors, want)
				}
			}
			for _, line := range strings.Split(strings.TrimSpace(errors), "\n") {
				if !strings.HasPrefix(line, "cert-bootstrap: ") {
					t.Errorf("line %q does not say whose it is", line)
				}
			}
		})
	}
}

// kubeconfig points to a server.
func kubeconfig(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: %q}}]
users: [{name: u, user: {token: very-secret}}]
`, server)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPIServerAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, server := range map[string]string{"refuses": closed, "never answers": "http://" + silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			code, _, errors := invoke(t, []string{"POD_NAMESPACE=ns"}, "--kubeconfig", kubeconfig(t, server), "--out", dir, "--timeout", "1s")
			lines := strings.Split(strings.TrimSpace(errors), "\n")
			last := lines[len(lines)-1]
			if code != 1 || !strings.Contains(last, "gave up after 1s: cannot get secret ns/istio.istio-sidecar-injector-service-account because the API server does not answer") {
				t.Errorf("exit status %d, %s", code, errors)
			}
			if strings.Contains(errors, "very-secret") {
				t.Error("the log holds a secret")
			}
		})
	}
}

func TestFailuresBeforeTheCluster(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		want string
	}{
		"not in a cluster":   {[]string{"--out", t.TempDir()}, "not in a cluster, so --kubeconfig must be given"},
		"no such kubeconfig": {[]string{"--kubeconfig", file + "-none"}, "--kubeconfig " + file + "-none"},
		"out is a file":      {[]string{"--kubeconfig", kubeconfig(t, "http://127.0.0.1:1"), "--out", file}, "--out: mkdir"},
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, _, errors := invoke(t, nil, append([]string{"--namespace", "ns"}, tt.args...)...)
			if code != 1 || !strings.Contains(errors, tt.want) || strings.Count(errors, "\n") != 1 {
				t.Errorf("exit status %d, %s", code, errors)
			}
		})
	}
}

func TestStoppedBySignal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := Run(ctx, []string{"--namespace", "ns", "--kubeconfig", kubeconfig(t, "http://127.0.0.1:1"), "--out", t.TempDir()}, nil, nil, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "stopped by a signal") {
		t.Errorf("exit status %d, %s", code, stderr.String())
	}
}
