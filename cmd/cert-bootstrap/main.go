// Command cert-bootstrap makes the webhook's certificates before the server starts.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/cmd/cert-bootstrap/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// After the first signal the usual handling is back: a second one ends the
	// program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(app.Run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
