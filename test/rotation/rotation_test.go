//go:build integration

// Package rotation proves that nobody notices when certificates change: pods are
// created without a pause, with failurePolicy Fail, against a real API server,
// while serving certificate and CA are replaced again and again within seconds.
package rotation

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/test/replicas"
)

const (
	// enough is how often each kind of certificate must change.
	enough  = 3
	timeout = 4 * time.Minute
)

func TestRotationUnderLoad(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	cluster, host := lab.ControlPlaneFor(ctx, t, "rotation")
	site, err := replicas.Install(ctx, cluster, host, t.TempDir(),
		"--caValidity=30s", "--certValidity=10s", "--trustPropagation=2s")
	if err != nil {
		t.Fatal(err)
	}
	// The API server has watched none of this a moment ago; the first replica's
	// readiness is what a Deployment waits for, too.
	var all []*replicas.Replica
	for i := range 3 {
		r, err := site.Start(ctx, fmt.Sprint("replica-", i))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Kill)
		all = append(all, r)
	}
	if err := site.Admits(ctx); err != nil {
		t.Fatal(err)
	}

	history := site.Follow(ctx)
	load := cluster.StartLoad(ctx, 4, replicas.Pod, replicas.Injected)
	probing, stopProbing := context.WithCancel(ctx)
	handshakes := site.Probe(probing, all)
	for {
		renewals, changes := history.Counts()
		if renewals >= enough && changes >= enough {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s: %d renewals, %d CA changes", timeout, renewals, changes)
		case <-time.After(100 * time.Millisecond):
		}
	}
	stopProbing()
	done, failures := handshakes.Result()
	counts := load.Stop()
	renewals, changes := history.Counts()

	lab.Figure(t, fmt.Sprintf("rotation: pods %d, failed %d, leaf renewals %d, CA changes %d", counts.Created+counts.Failed, counts.Failed, renewals, changes))
	lab.Figure(t, fmt.Sprintf("rotation: handshakes %d, failed %d", done, len(failures)))
	for _, reason := range counts.Errors {
		t.Error(reason)
	}
	if counts.Failed > 0 || counts.Created < 100 {
		t.Errorf("%d pods created, %d failed", counts.Created, counts.Failed)
	}
	for i, err := range failures {
		if i < 5 {
			t.Error(err)
		}
	}
	if done < 100 {
		t.Errorf("only %d handshakes", done)
	}
	if t.Failed() {
		for _, r := range all {
			t.Logf("%s:\n%s", r.Name, replicas.Tail(r.Log(), 30))
		}
	}
}
