// Embedded-cluster runs a one-node Kubernetes cluster on this machine, built
// from Go modules.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
