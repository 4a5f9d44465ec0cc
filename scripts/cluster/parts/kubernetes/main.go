// Kubernetes is every Kubernetes program a one-node cluster needs in a single
// executable: linking them once shares the code they have in common, which is
// most of it, in both build time and disk space.
//
// The program to run is the name the executable was started under or, failing
// that, the first argument:
//
//	kubernetes kube-apiserver --help
//	ln -s kubernetes kubectl && ./kubectl version
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client-go metrics in every component
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// A program runs with args, of which args[0] is its own name, and returns the
// exit status.
type program func(args []string) int

func main() { os.Exit(run(os.Args, os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	table := programs()
	if p, ok := table[filepath.Base(args[0])]; ok {
		return p(args)
	}
	names := strings.Join(slices.Sorted(maps.Keys(table)), ", ")
	if len(args) < 2 {
		fmt.Fprintf(stderr, "no program given, must be one of %s\n", names)
		return 2
	}
	p, ok := table[args[1]]
	if !ok {
		fmt.Fprintf(stderr, "unknown program %q, must be one of %s\n", args[1], names)
		return 2
	}
	return p(args[1:])
}

func programs() map[string]program {
	return map[string]program{
		"etcd":                    etcd,
		"kube-apiserver":          command(apiserver.NewAPIServerCommand),
		"kube-controller-manager": command(controllermanager.NewControllerManagerCommand),
		"kube-proxy":              command(proxy.NewProxyCommand),
		"kube-scheduler":          command(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
		"kubectl":                 command(kubectl.NewDefaultKubectlCommand),
		"kubelet":                 command(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	}
}

// command sets os.Args because kubectl and kubelet read it themselves (plugin
// lookup, flag parsing), past what cobra was given. The command is built
// after that, and only the one that runs: the others register flags and
// metrics that would collide.
func command(build func() *cobra.Command) program {
	return func(args []string) int {
		os.Args = args
		return cli.Run(build())
	}
}

// etcd exits the process itself when it fails.
func etcd(args []string) int {
	etcdmain.Main(args)
	return 0
}
