package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/lifecycle"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

func runCLI(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	env := []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var out, errOut bytes.Buffer
	code = Run(context.Background(), append([]string{"embedded-cluster"}, args...), env, strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"up", "--help"}} {
		code, stdout, stderr := runCLI(t, args...)
		if code != 0 || stdout != usage || stderr != "" {
			t.Errorf("%q: status %d, output %q, errors %q, want the usage", args, code, stdout, stderr)
		}
	}
}

// Every command and flag that is taken is in the usage.
func TestUsageIsComplete(t *testing.T) {
	for _, want := range []string{
		"up", "down", "status", "load-image", "kubeconfig", "kubectl", "restart", "stop", "start", "kill", "build",
		"--name", "--control-plane-only", "--apiserver-arg", "-o", "--state-dir", "--cache-dir", "--sources",
	} {
		if !strings.Contains(usage, "\n  "+want+" ") {
			t.Errorf("usage lacks %q", want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "no command given"},
		{[]string{"frob"}, `unknown command "frob"`},
		{[]string{"up", "--frob"}, "flag provided but not defined: -frob"},
		{[]string{"up", "extra"}, `unexpected argument "extra" after "up"`},
		{[]string{"up", "--name", "A"}, `invalid cluster name "A", must be`},
		{[]string{"status", "-o", "xml"}, `invalid output format "xml", must be "text" or "json"`},
		{[]string{"load-image"}, "load-image needs at least one file"},
		{[]string{"restart"}, "restart needs the name of one component, got 0 arguments"},
	} {
		code, _, stderr := runCLI(t, test.args...)
		if code != 2 || !strings.Contains(stderr, "embedded-cluster: "+test.want) {
			t.Errorf("%q: status %d, %q, want status 2 and %q", test.args, code, stderr, test.want)
		}
	}
}

func TestWithoutCluster(t *testing.T) {
	for _, args := range [][]string{{"status"}, {"kubeconfig"}, {"kubectl", "get", "pods"}, {"load-image", "a.tar"}, {"restart", "etcd"}} {
		code, stdout, stderr := runCLI(t, args...)
		if want := "embedded-cluster: cluster \"demo\" is not up: start it with up\n"; code != 1 || stdout != "" || stderr != want {
			t.Errorf("%q: status %d, %q, %q, want status 1 and %q", args, code, stdout, stderr, want)
		}
	}
	if code, _, stderr := runCLI(t, "down"); code != 0 || stderr != "cluster \"demo\" is not up\n" {
		t.Errorf("down: status %d, %q, want success", code, stderr)
	}
}

func TestSourcesNotFound(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := runCLI(t, "build", "--sources", dir)
	if code != 1 || !strings.Contains(stderr, "no parts/kubernetes/go.mod in "+dir) {
		t.Errorf("status %d, %q, want one that names the folder", code, stderr)
	}
}

func TestParse(t *testing.T) {
	env := environment{"HOME=/home/u", "XDG_CACHE_HOME=/cache", "EMBEDDED_CLUSTER_STATE_DIR=/state"}
	c, err := parse([]string{"x", "--name=a", "up", "--control-plane-only", "--apiserver-arg", "--v=4", "--apiserver-arg=--x"}, env)
	if err != nil {
		t.Fatal(err)
	}
	if c.verb != "up" || c.name != "a" || !c.controlPlane || !slices.Equal(c.apiServer, []string{"--v=4", "--x"}) {
		t.Errorf("parsed %+v", c)
	}
	if c.stateDir != "/state" || c.cacheDir != "/cache/istio-sidecar-injector/cluster" {
		t.Errorf("folders are %q and %q", c.stateDir, c.cacheDir)
	}
}

func TestParseKubectl(t *testing.T) {
	c, err := parse([]string{"x", "kubectl", "--name", "a", "get", "pods", "-o", "yaml", "--name=b"}, environment{"HOME=/home/u"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"get", "pods", "-o", "yaml", "--name=b"}; c.name != "a" || !slices.Equal(c.args, want) {
		t.Errorf("cluster %q, arguments %q, want %q", c.name, c.args, want)
	}
}

func TestNoHome(t *testing.T) {
	_, err := parse([]string{"x", "up"}, nil)
	if err == nil || !strings.Contains(err.Error(), "HOME") {
		t.Errorf("error is %v, want one about HOME", err)
	}
}

func TestTable(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := lifecycle.Report{
		State: state.State{Name: "demo", Mode: state.ControlPlane, Phase: state.Running, Server: "https://127.0.0.1:26443", Kubeconfig: "/k", HostAddress: "10.213.0.1"},
		Up:    true,
		Components: []lifecycle.Component{
			{Status: supervisor.Status{Name: "etcd", State: "running", Since: now.Add(-90 * time.Second)}, HostPID: 42, Health: "ok", Log: "/l"},
			{Status: supervisor.Status{Name: "kube-scheduler", State: "exited"}, Health: "exit status 1", Log: "/m"},
		},
	}
	var out strings.Builder
	if err := table(r, &out, now); err != nil {
		t.Fatal(err)
	}
	want := `cluster          demo (running)
mode             control-plane
server           https://127.0.0.1:26443
kubeconfig       /k
this machine is  10.213.0.1

COMPONENT       STATE    PID  FOR    HEALTH         LOG
etcd            running  42   1m30s  ok             /l
kube-scheduler  exited   -    -      exit status 1  /m
`
	if out.String() != want {
		t.Errorf("table is\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPlainProgressIsShort(t *testing.T) {
	var out strings.Builder
	p := newPrinter(&out)
	for s := range 70 {
		p.progress("building x", time.Duration(s)*time.Second)
	}
	p.done("x", 70*time.Second)
	want := "building x\nbuilding x, 30s so far\nbuilding x, 1m00s so far\nbuilt x in 1m10s\n"
	if out.String() != want {
		t.Errorf("progress is %q, want %q", out.String(), want)
	}
}

func TestTerminalProgressIsOneLine(t *testing.T) {
	var out strings.Builder
	p := &printer{w: &out, terminal: true}
	p.progress("building x", time.Second)
	p.progress("building x", 2*time.Second)
	p.done("x", 2*time.Second)
	if got, want := out.String(), "building x 1s\r\033[Kbuilding x 2s\r\033[Kbuilt x in 2s\n"; got != want {
		t.Errorf("progress is %q, want %q", got, want)
	}
}

func TestSuperviseWithoutConfiguration(t *testing.T) {
	err := supervised(context.Background(), filepath.Join(t.TempDir(), "none.json"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v, want that the file is not there", err)
	}
}

func TestProxyFor(t *testing.T) {
	const address = "10.213.0.2"
	for _, test := range []struct {
		name, address, want string
		env                 environment
	}{
		{"none", address, "", nil},
		{"set", address, "HTTPS_PROXY", environment{"HTTPS_PROXY=http://p"}},
		{"excepted by network", address, "", environment{"https_proxy=http://p", "NO_PROXY=localhost, 10.0.0.0/8"}},
		{"excepted by address", address, "", environment{"https_proxy=http://p", "no_proxy=" + address}},
		{"excepted are others", address, "https_proxy", environment{"https_proxy=http://p", "no_proxy=192.168.0.0/16,example.com"}},
		{"server on loopback", "", "", environment{"HTTPS_PROXY=http://p"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := proxyFor(test.address, test.env); got != test.want {
				t.Errorf("variable is %q, want %q", got, test.want)
			}
		})
	}
}
