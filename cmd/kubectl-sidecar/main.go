// Command kubectl-sidecar is a kubectl plugin for people who work with injected
// pods: kubectl sidecar inject, explain, validate.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/cmd/kubectl-sidecar/app"
)

// version is set by the linker in release builds.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(app.Run(ctx, version, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
