// Package app is the program kubectl-sidecar without the process around it:
// command line, wiring, and exit status.
package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
)

// Run runs the program until it is done or ctx is, and returns the exit status:
// 0 when all went well, 1 for a failure, 2 for a command line that cannot be
// meant. version is what the release process calls this build, empty when it
// did not say. env has entries of the form "name=value".
func Run(ctx context.Context, version string, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{
		build: buildinfo.Read(version),
		stdin: stdin, stdout: stdout, stderr: stderr,
		kube: genericclioptions.NewConfigFlags(true),
		now:  time.Now,
	}
	for _, e := range env {
		// The library would look into the environment of the process.
		if file, ok := strings.CutPrefix(e, "KUBECONFIG="); ok && file != "" && !strings.Contains(file, string(os.PathListSeparator)) {
			p.kube.KubeConfig = &file
		}
	}
	return cli.Execute(ctx, p.command(), args, stdout, stderr)
}

type program struct {
	build          buildinfo.Info
	stdin          io.Reader
	stdout, stderr io.Writer
	kube           *genericclioptions.ConfigFlags
	now            func() time.Time
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
		Args:        cobra.NoArgs,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl sidecar"},
		RunE: func(*cobra.Command, []string) error {
			return cli.Usagef("give a command: inject, uninject, explain, validate, status or version")
		},
	}
	p.kube.CacheDir = nil // nothing here is worth a cache
	p.kube.AddFlags(root.PersistentFlags())
	root.AddCommand(p.injectCommand(), p.uninjectCommand(), p.explainCommand(), p.validateCommand(), p.statusCommand(), p.versionCommand())
	return root
}

func (p *program) warn(format string, args ...any) {
	fmt.Fprintf(p.stderr, "warning: "+format+"\n", args...)
}

// namespace is the one given on the command line; empty when none was.
func (p *program) namespace() string { return *p.kube.Namespace }
