//go:build e2e

// Package e2e proves the path that every user takes, on a real node: install
// the chart, have a pod injected, change the template by an upgrade, uninstall.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

const (
	release   = "istio-sidecar-injector"
	namespace = "istio-system"
	hub, tag  = "sidecar-injector.local", "dev"
)

// cluster is what TestMain starts and every test of the package uses.
var cluster *lab.Lab

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := runWithCluster(ctx, m)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runWithCluster(ctx context.Context, m *testing.M) (code int, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	l, down, err := lab.StartNode(ctx, root, "e2e", os.Stderr)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, down()) }()
	cluster = l
	return m.Run(), nil
}
