// Command sidecar-injector is the webhook server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/cmd/sidecar-injector/app"
)

// version is set by the linker in release builds.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// After the first signal the usual handling is back: a second one ends the
	// program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(app.Run(ctx, version, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
