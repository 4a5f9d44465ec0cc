// Package cli is the command line of embedded-cluster.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/lifecycle"
)

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

const usage = `embedded-cluster runs a one-node Kubernetes cluster on this machine.

Usage: embedded-cluster COMMAND [FLAG...] [ARGUMENT...]

Commands:
  up                      bring the cluster up, building it first if needed
  down                    take it down and remove all of it
  status                  tell how it and its components do
  load-image FILE...      load image archives (docker save, or OCI layout in tar)
  kubeconfig              print the path of its kubeconfig
  kubectl ARGUMENT...     run kubectl on it
  restart COMPONENT       stop and start a component, and wait until it is healthy
  stop COMPONENT          stop a component
  start COMPONENT         start a stopped component
  kill COMPONENT          end a component with SIGKILL
  build                   only build what up needs

Flags:
  --name NAME             the cluster, several can be up at once (default "demo")
  --control-plane-only    up, build: without a node, thus without pods
  --apiserver-arg ARG     up: one more argument for kube-apiserver, may be repeated
  -o FORMAT               status: text or json (default "text")
  --state-dir DIR         keep clusters in DIR
                          (default $EMBEDDED_CLUSTER_STATE_DIR, else
                          ${XDG_STATE_HOME:-~/.local/state}/istio-sidecar-injector/cluster)
  --cache-dir DIR         keep what was built in DIR
                          (default $EMBEDDED_CLUSTER_CACHE_DIR, else
                          ${XDG_CACHE_HOME:-~/.cache}/istio-sidecar-injector/cluster)
  --sources DIR           the folder scripts/cluster of the repository
                          (default $EMBEDDED_CLUSTER_SOURCES)

Flags of kubectl go after its first argument: embedded-cluster kubectl get pods -A
`

// A usageError is about the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run is the program: args are the command line with the program's name, env
// the environment. It returns the exit status.
func Run(ctx context.Context, args, env []string, _ io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 2 {
		switch args[1] {
		case lifecycle.SuperviseCommand, lifecycle.ContinueCommand:
			return supervise(ctx, args, stderr)
		case lifecycle.ProbeCommand:
			return lifecycle.Probe(args[2])
		}
	}
	// Only the launcher stops on a terminal's signals; what it starts is in
	// sessions of its own.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := run(ctx, args, environment(env), stdout, stderr)
	var u usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errStatus):
		return exitError
	case errors.As(err, &u):
		fmt.Fprintf(stderr, "embedded-cluster: %v\nRun embedded-cluster help for the commands and flags.\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "embedded-cluster: %v\n", err)
		return exitError
	}
}

type environment []string

func (e environment) get(name string) string {
	for i := len(e) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(e[i], name+"="); ok {
			return v
		}
	}
	return ""
}

func run(ctx context.Context, args []string, env environment, stdout, stderr io.Writer) error {
	c, err := parse(args, env)
	if err != nil {
		return err
	}
	if err := c.countArgs(); err != nil {
		return err
	}
	out := newPrinter(stderr)
	defer out.end()
	switch c.verb {
	case "help":
		fmt.Fprint(stdout, usage)
		return nil
	case "up":
		return c.up(ctx, env, stdout, out)
	case "build":
		if err := c.findSources(); err != nil {
			return err
		}
		return lifecycle.Build(ctx, c.options(env, out))
	case "down":
		return lifecycle.Down(ctx, c.options(env, out))
	case "status":
		return c.status(ctx, c.options(env, out), stdout)
	case "kubeconfig":
		path, err := lifecycle.Kubeconfig(c.options(env, out))
		if err == nil {
			fmt.Fprintln(stdout, path)
		}
		return err
	case "kubectl":
		return lifecycle.Kubectl(c.options(env, out), c.args, env)
	case "load-image":
		return lifecycle.LoadImages(ctx, c.options(env, out), c.args)
	case "start", "stop", "restart", "kill":
		return lifecycle.Control(ctx, c.options(env, out), c.verb, c.args[0])
	}
	return usagef("unknown command %q", c.verb)
}

func (c *command) up(ctx context.Context, env environment, stdout io.Writer, out *printer) error {
	if err := c.findSources(); err != nil {
		return err
	}
	s, err := lifecycle.Up(ctx, c.options(env, out))
	if err != nil {
		return err
	}
	if p := proxyFor(s.NodeAddress, env); p != "" {
		out.say("%s is set: add %s to NO_PROXY for programs that use the kubeconfig", p, s.NodeAddress)
	}
	out.end()
	fmt.Fprintf(stdout, "kubeconfig %s\n", s.Kubeconfig)
	return nil
}
