// Command bench measures the injector and reports.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	os.Exit(command.Run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
