// Command kubectl-sidecar is a kubectl plugin for people who work with injected
// pods: kubectl sidecar inject, explain, validate.
package main

import (
	"context"
	"os"

	"github.com/sidecar-injector/istio-sidecar-injector/cmd/kubectl-sidecar/app"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
)

// version is set by the linker in release builds.
var version string

func main() {
	cli.Main(func(ctx context.Context) int {
		return app.Run(ctx, version, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	})
}
