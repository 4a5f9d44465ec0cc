// Package cli is the command line of embedded-cluster.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/lifecycle"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/parts"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
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

// command is a parsed command line.
type command struct {
	verb         string
	args         []string
	name         string
	controlPlane bool
	apiServer    list
	format       string
	stateDir     string
	cacheDir     string
	sources      string
}

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func parse(args []string, env environment) (command, error) {
	c := command{}
	flags := flag.NewFlagSet("embedded-cluster", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.name, "name", "demo", "")
	flags.BoolVar(&c.controlPlane, "control-plane-only", false, "")
	flags.Var(&c.apiServer, "apiserver-arg", "")
	flags.StringVar(&c.format, "o", "text", "")
	flags.StringVar(&c.stateDir, "state-dir", env.get("EMBEDDED_CLUSTER_STATE_DIR"), "")
	flags.StringVar(&c.cacheDir, "cache-dir", env.get("EMBEDDED_CLUSTER_CACHE_DIR"), "")
	flags.StringVar(&c.sources, "sources", env.get("EMBEDDED_CLUSTER_SOURCES"), "")
	// Flags may stand before and after the command, but what follows the first
	// argument of kubectl belongs to kubectl.
	rest := args[1:]
	for {
		if err := flags.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				c.verb = "help"
				return c, nil
			}
			return c, usageError{err}
		}
		rest = flags.Args()
		if len(rest) == 0 {
			break
		}
		if c.verb == "" {
			c.verb, rest = rest[0], rest[1:]
			continue
		}
		if c.verb == "kubectl" {
			c.args = rest
			break
		}
		c.args, rest = append(c.args, rest[0]), rest[1:]
	}
	return c, c.complete(env)
}

// complete fills in what was not given and checks the rest.
func (c *command) complete(env environment) error {
	if c.verb == "" {
		return usagef("no command given")
	}
	if err := state.CheckName(c.name); err != nil {
		return usageError{err}
	}
	if c.format != "text" && c.format != "json" {
		return usagef("invalid output format %q, must be \"text\" or \"json\"", c.format)
	}
	const folder = "istio-sidecar-injector/cluster"
	for _, d := range []struct {
		dir             *string
		variable, above string
	}{
		{&c.stateDir, "XDG_STATE_HOME", ".local/state"},
		{&c.cacheDir, "XDG_CACHE_HOME", ".cache"},
	} {
		if *d.dir == "" {
			base := env.get(d.variable)
			if base == "" {
				home := env.get("HOME")
				if home == "" {
					return fmt.Errorf("neither %s nor HOME is set: give --state-dir and --cache-dir", d.variable)
				}
				base = filepath.Join(home, d.above)
			}
			*d.dir = filepath.Join(base, folder)
		}
		absolute, err := filepath.Abs(*d.dir)
		if err != nil {
			return err
		}
		*d.dir = absolute
	}
	return nil
}

// findSources finds the modules to build.
func (c *command) findSources() error {
	candidates := []string{c.sources}
	if c.sources == "" {
		candidates = []string{".", "scripts/cluster"}
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, "parts", "kubernetes", "go.mod")); err == nil {
			c.sources, err = filepath.Abs(filepath.Join(dir, "parts"))
			return err
		}
	}
	return fmt.Errorf("no parts/kubernetes/go.mod in %s: give the repository's scripts/cluster with --sources", strings.Join(candidates, " or "))
}

func (c *command) options(env environment, out *printer) lifecycle.Options {
	mode := state.Node
	if c.controlPlane {
		mode = state.ControlPlane
	}
	return lifecycle.Options{
		Name: c.name, Mode: mode, StateDir: c.stateDir, APIServerArgs: c.apiServer, Say: out.say,
		Builder: parts.Builder{
			Sources: c.sources, Cache: parts.Cache{Dir: c.cacheDir}, Env: env,
			Progress: out.progress, Done: out.done,
		},
	}
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

// countArgs says whether the command has as many arguments as it takes.
func (c *command) countArgs() error {
	switch c.verb {
	case "help", "kubectl":
		return nil
	case "load-image":
		if len(c.args) == 0 {
			return usagef("load-image needs at least one file")
		}
	case "start", "stop", "restart", "kill":
		if len(c.args) != 1 {
			return usagef("%s needs the name of one component, got %d arguments", c.verb, len(c.args))
		}
	default:
		if len(c.args) > 0 {
			return usagef("unexpected argument %q after %q", c.args[0], c.verb)
		}
	}
	return nil
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

// proxyFor names the variable because of which programs would look for address
// through a proxy. They never do so for 127.0.0.1.
func proxyFor(address string, env environment) string {
	for _, except := range []string{"NO_PROXY", "no_proxy"} {
		for e := range strings.SplitSeq(env.get(except), ",") {
			network, err := netip.ParsePrefix(strings.TrimSpace(e))
			ip, ipErr := netip.ParseAddr(address)
			if e = strings.TrimSpace(e); e == "*" || e == address || err == nil && ipErr == nil && network.Contains(ip) {
				return ""
			}
		}
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		if address != "" && env.get(name) != "" {
			return name
		}
	}
	return ""
}
