package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// ControlPlaneFor starts a control plane without a node for a test of a package
// below test/, and removes it when the test has ended. host is the address at
// which it reaches programs of this machine.
func ControlPlaneFor(ctx context.Context, t testing.TB, purpose string, flags ...string) (l *Lab, host string) {
	t.Helper()
	name := ""
	l = clusterFor(t, purpose, func(root, own string) (*Lab, func() error, error) {
		name = own
		return StartCluster(ctx, root, own, os.Stderr, append([]string{"--control-plane-only"}, flags...)...)
	})
	host, err := HostAddress(ctx, l.Root, name)
	if err != nil {
		t.Fatal(err)
	}
	return l, host
}

// NodeFor is the same with a node and the images that StartNode loads.
func NodeFor(ctx context.Context, t testing.TB, purpose string, images ...string) *Lab {
	t.Helper()
	return clusterFor(t, purpose, func(root, own string) (*Lab, func() error, error) {
		return StartNode(ctx, root, own, os.Stderr, images...)
	})
}

// clusterFor gives the cluster a name of this process's own: a second run at the
// same time has another.
func clusterFor(t testing.TB, purpose string, start func(root, name string) (*Lab, func() error, error)) *Lab {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	l, down, err := start(root, fmt.Sprintf("%s-%d", purpose, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := down(); err != nil {
			t.Error(err)
		}
	})
	return l
}
