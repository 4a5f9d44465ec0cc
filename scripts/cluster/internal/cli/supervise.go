package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/lifecycle"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/sandbox"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

// supervise is this program as process 1 of a cluster, in two steps: it waits
// for its configuration and enters the sandbox, and then, started anew there,
// runs the cluster.
func supervise(ctx context.Context, args []string, stderr io.Writer) int {
	step := enter
	if args[1] == lifecycle.ContinueCommand {
		step = supervised
	}
	if err := step(ctx, args[2]); err != nil {
		fmt.Fprintln(stderr, err)
		return exitError
	}
	return exitOK
}

func enter(_ context.Context, configPath string) error {
	var b [1]byte
	if n, _ := os.Stdin.Read(b[:]); n == 0 {
		return errors.New("the launcher ended before there was anything to run")
	}
	c, err := supervisor.Load(configPath)
	if err != nil {
		return err
	}
	return sandbox.Enter(c.Sandbox, []string{"embedded-cluster", lifecycle.ContinueCommand, configPath})
}

func supervised(ctx context.Context, configPath string) error {
	unix.CloseOnExec(lifecycle.HostNetworkFD)
	c, err := supervisor.Load(configPath)
	if err != nil {
		return err
	}
	if err := sandbox.Setup(c.Sandbox); err != nil {
		return err
	}
	return supervisor.New(c.Components, lifecycle.HostNetworkFD, time.Now).Run(ctx, c, os.Stdin)
}
