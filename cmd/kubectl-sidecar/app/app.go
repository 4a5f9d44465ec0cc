// Package app is the program kubectl-sidecar without the process around it:
// command line, wiring, and exit status.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
)

// Exit statuses.
const (
	exitOK    = 0
	exitRun   = 1 // it was tried and failed
	exitUsage = 2 // the command line cannot be meant
)

// usageError is what is wrong with the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// Run runs the program until it is done or ctx is, and returns the exit status:
// 0 when all went well, 1 for a failure, 2 for a command line that cannot be
// meant. version is what the release process calls this build, empty when it
// did not say. env has entries of the form "name=value".
func Run(ctx context.Context, version string, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{
		version: version,
		stdin:   stdin, stdout: stdout, stderr: stderr,
		kube: genericclioptions.NewConfigFlags(true),
		now:  time.Now,
	}
	for _, e := range env {
		// The library would look into the environment of the process.
		if file, ok := strings.CutPrefix(e, "KUBECONFIG="); ok && file != "" && !strings.Contains(file, string(os.PathListSeparator)) {
			p.kube.KubeConfig = &file
		}
	}
	root := p.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	for _, line := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintln(stderr, "kubectl-sidecar: "+line)
	}
	// What cobra itself finds (unknown flags and commands) never got to a
	// command's own function.
	var usage usageError
	if errors.As(err, &usage) || !p.started {
		fmt.Fprintln(stderr, "kubectl-sidecar: see kubectl sidecar --help")
		return exitUsage
	}
	return exitRun
}

type program struct {
	version        string
	stdin          io.Reader
	stdout, stderr io.Writer
	kube           *genericclioptions.ConfigFlags
	now            func() time.Time
	started        bool
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-sidecar",
		Short: "Inject sidecars into manifests, and say why a pod has one or not",
		Long: `kubectl-sidecar works with the sidecars that the injector adds to pods: it injects
manifests as the webhook would inject their pods, takes injections out again,
says why a pod is injected or not, and checks configurations before they are used.

It needs a configuration, which comes from one of three places: from files
(--injectConfigFile, --meshConfigFile, --valuesFile), from a chart that is
rendered as helm would (--chart, --values, --set), or, with none of these, from
the injector that is installed in the cluster.`,
		Args:              cobra.NoArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl sidecar"},
		RunE: func(*cobra.Command, []string) error {
			return usagef("give a command: inject, uninject, explain, validate, status or version")
		},
	}
	p.kube.CacheDir = nil // nothing here is worth a cache
	p.kube.AddFlags(root.PersistentFlags())
	root.AddCommand(p.injectCommand(), p.uninjectCommand(), p.explainCommand(), p.validateCommand(), p.statusCommand(), p.versionCommand())
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	return root
}

func (p *program) build() buildinfo.Info { return buildinfo.Read(p.version) }

func (p *program) warn(format string, args ...any) {
	fmt.Fprintf(p.stderr, "warning: "+format+"\n", args...)
}

// namespace is the one given on the command line; empty when none was.
func (p *program) namespace() string { return *p.kube.Namespace }
