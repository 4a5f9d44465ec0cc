//go:build integration

// Package certjob proves the certificates' life with the chart's
// certs.bootstrap=job: the servers only read the Secret, and a job that runs now
// and then renews what is in it, without anybody noticing.
package certjob

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
	timeout = 5 * time.Minute
	// certValidity leaves four seconds for a renewal.
	certValidity = 12 * time.Second
	// schedule is the time between the end of a job and the next: several are within
	// the third of a validity in which a renewal is due, as the chart asks for.
	schedule = 500 * time.Millisecond
	// promise is how soon servers mend a caBundle.
	promise = time.Second
)

func TestJobRenews(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	site, all := begin(ctx, t)

	history := site.Follow(ctx)
	load := site.Lab.StartLoad(ctx, 4, replicas.Pod, replicas.Injected)
	probing, stopProbing := context.WithCancel(ctx)
	defer stopProbing()
	handshakes := site.Probe(probing, all)
	jobs := startJobs(ctx, site)
	for {
		renewals, changes := history.Counts()
		if renewals >= enough && changes >= enough {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s: %d renewals, %d CA changes; jobs: %v", timeout, renewals, changes, jobs.stop())
		case <-time.After(100 * time.Millisecond):
		}
	}
	for _, err := range jobs.stop() {
		t.Error(err)
	}
	stopProbing()
	done, failures := handshakes.Result()
	counts := load.Stop()
	renewals, changes := history.Counts()

	lab.Figure(t, fmt.Sprintf("rotation (job): pods %d, failed %d, leaf renewals %d, CA changes %d", counts.Created+counts.Failed, counts.Failed, renewals, changes))
	lab.Figure(t, fmt.Sprintf("rotation (job): handshakes %d, failed %d, jobs %d", done, len(failures), jobs.ran))
	for _, reason := range counts.Errors {
		t.Error(reason)
	}
	if counts.Failed > 0 || counts.Created < 100 {
		t.Errorf("%d pods created, %d failed", counts.Created, counts.Failed)
	}
	for _, err := range failures[:min(5, len(failures))] {
		t.Error(err)
	}
	if done < 100 {
		t.Errorf("only %d handshakes", done)
	}

	wipeBundle(ctx, t, site, all)
	emptySecret(ctx, t, site, all)
}

// begin installs the programs and starts three replicas, which wait for the
// certificate of the first job.
func begin(ctx context.Context, t *testing.T) (*replicas.Site, []*replicas.Replica) {
	t.Helper()
	cluster, host := lab.ControlPlaneFor(ctx, t, "certjob")
	site, err := replicas.InstallWithJob(ctx, cluster, host, t.TempDir(),
		"--caValidity=30s", "--certValidity="+certValidity.String(), "--trustPropagation=2s")
	if err != nil {
		t.Fatal(err)
	}
	jobs := startJobs(ctx, site)
	var all []*replicas.Replica
	for i := range 3 {
		r, err := site.Start(ctx, fmt.Sprint("replica-", i))
		if err != nil {
			t.Fatalf("%v; jobs: %v", err, jobs.stop())
		}
		t.Cleanup(r.Kill)
		all = append(all, r)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, r := range all {
				t.Logf("%s:\n%s", r.Name, replicas.Tail(r.Log(), 30))
			}
		}
	})
	for _, err := range jobs.stop() {
		t.Fatal(err)
	}
	if err := site.Admits(ctx); err != nil {
		t.Fatal(err)
	}
	return site, all
}
