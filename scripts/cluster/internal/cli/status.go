package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/lifecycle"
)

// errStatus makes the exit status say what was already printed.
var errStatus = errors.New("the cluster is not healthy")

func (c *command) status(ctx context.Context, o lifecycle.Options, stdout io.Writer) error {
	r, err := lifecycle.Status(ctx, o)
	if err != nil {
		return err
	}
	if c.format == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = table(r, stdout, time.Now())
	}
	if err == nil && !r.Healthy() {
		return errStatus
	}
	return err
}

func table(r lifecycle.Report, stdout io.Writer, now time.Time) error {
	phase := string(r.Phase)
	if !r.Up {
		phase = "dead: its supervisor is gone, up or down cleans up"
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "cluster\t%s (%s)\n", r.Name, phase)
	fmt.Fprintf(w, "mode\t%s\n", r.Mode)
	fmt.Fprintf(w, "server\t%s\n", r.Server)
	fmt.Fprintf(w, "kubeconfig\t%s\n", r.Kubeconfig)
	fmt.Fprintf(w, "this machine is\t%s\n", r.HostAddress)
	if r.NodeAddress != "" {
		fmt.Fprintf(w, "node\t%s (%s)\n", r.NodeName, r.NodeAddress)
		fmt.Fprintf(w, "pods\t%s\n", r.PodCIDR)
	}
	if err := w.Flush(); err != nil || !r.Up {
		return err
	}
	fmt.Fprintf(stdout, "\n")
	fmt.Fprintf(w, "COMPONENT\tSTATE\tPID\tFOR\tHEALTH\tLOG\n")
	for _, c := range r.Components {
		pid, since := "-", "-"
		if c.HostPID != 0 {
			pid = fmt.Sprint(c.HostPID)
		}
		if !c.Since.IsZero() {
			since = now.Sub(c.Since).Round(time.Second).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, c.State, pid, since, c.Health, c.Log)
	}
	return w.Flush()
}
