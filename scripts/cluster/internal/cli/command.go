package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/lifecycle"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/parts"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

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
