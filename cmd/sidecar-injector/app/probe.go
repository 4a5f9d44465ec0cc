package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/health"
)

// probeCommand is what exec probes call: it looks at the file that the server
// touches.
func (p *program) probeCommand() *cobra.Command {
	var path string
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Say whether a server on this machine answers its own health check",
		Long: `probe exits with 0 and prints OK when the file that a server was told to touch
(--healthCheckFile) was touched within the interval. Otherwise it says why not and
exits with 1. Give an interval of at least twice the server's --healthCheckInterval.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var errs []error
			if path == "" {
				errs = append(errs, fmt.Errorf("invalid --probe-path %q: must name the server's --healthCheckFile", path))
			}
			if interval <= 0 {
				errs = append(errs, fmt.Errorf("invalid --interval %q: must be longer than 0, for example 4s", interval))
			}
			if err := errors.Join(errs...); err != nil {
				return cli.UsageError{Err: err}
			}
			if err := health.Probe(path, interval, time.Now()); err != nil {
				return err
			}
			_, err := fmt.Fprintln(p.stdout, "OK")
			return err
		},
	}
	cmd.Flags().StringVar(&path, "probe-path", "", "`file` that the server touches")
	cmd.Flags().DurationVar(&interval, "interval", 0, "how long ago the file may have been touched")
	return cmd
}
