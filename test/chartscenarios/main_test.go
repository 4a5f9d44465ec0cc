//go:build e2e

// Package chartscenarios proves what the chart promises on a real cluster with a
// real node: installations with each of its ci values files, upgrades under load,
// rollbacks, forced updates, removal, and installations side by side.
package chartscenarios

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

const (
	clusterName = "chart-scenarios"
	hub, tag    = "sidecar-injector.local", "dev"
	// A step that takes longer than this will not end well.
	stepLimit = time.Minute
)

// cluster is what TestMain starts and every test of the package uses.
var cluster *lab.Lab

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := runWithCluster(ctx, m)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chart scenarios:", err)
		code = 1
	}
	os.Exit(code)
}

func runWithCluster(ctx context.Context, m *testing.M) (code int, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	l, down, err := lab.StartNode(ctx, root, clusterName, os.Stderr)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, down()) }()
	// What some values files require of a cluster: the kinds of cert-manager and
	// of the Prometheus operator, and somebody who does what cert-manager does.
	if _, err := l.Kubectl(ctx, clusterName, nil, "apply", "--server-side", "-f", filepath.Join(root, "bin", "schemas", "crds")); err != nil {
		return 1, err
	}
	if _, err := l.Kubectl(ctx, clusterName, nil, "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"); err != nil {
		return 1, err
	}
	stopIssuer, err := startIssuer(ctx, l)
	if err != nil {
		return 1, err
	}
	defer stopIssuer()
	cluster = l
	return m.Run(), nil
}
