// Command cert-bootstrap makes the webhook's certificates before the server starts.
package main

import (
	"context"
	"os"

	"github.com/sidecar-injector/istio-sidecar-injector/cmd/cert-bootstrap/app"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
)

func main() {
	cli.Main(func(ctx context.Context) int {
		return app.Run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	})
}
