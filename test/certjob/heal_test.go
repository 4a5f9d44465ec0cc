//go:build integration

package certjob

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/test/replicas"
)

// right is nil when the Secret is good and every replica serves what the live
// caBundle trusts: the certificate of the Secret.
func right(ctx context.Context, site *replicas.Site, all []*replicas.Replica) error {
	secret, err := site.Lab.Client.CoreV1().Secrets(replicas.Namespace).Get(ctx, replicas.Secret, metav1.GetOptions{})
	if err != nil {
		return err
	}
	hosts := pki.ServiceHosts(replicas.Service, replicas.Namespace, "")
	state := certs.ParseState(secret.Data)
	if err := state.LeafError(time.Now(), hosts); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	for _, r := range all {
		served, err := site.Served(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if !served.Equal(state.Leaf.Cert) {
			return fmt.Errorf("%s serves another certificate than the secret's", r.Name)
		}
	}
	return nil
}

// healed waits until all is right, and fails the test after the limit.
func healed(ctx context.Context, t *testing.T, what string, limit time.Duration, site *replicas.Site, all []*replicas.Replica) time.Duration {
	t.Helper()
	begin := time.Now()
	for {
		err := right(ctx, site, all)
		took := time.Since(begin)
		if err == nil {
			return took
		}
		if took > limit {
			t.Fatalf("%s: not healed after %s: %v", what, took, err)
		}
		time.Sleep(time.Millisecond) // between looks
	}
}

// wipeBundle shows that servers mend the caBundle while no job runs.
func wipeBundle(ctx context.Context, t *testing.T, site *replicas.Site, all []*replicas.Replica) {
	t.Helper()
	_, err := site.Lab.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, replicas.Config, types.JSONPatchType,
		[]byte(`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	took := healed(ctx, t, "caBundle emptied", 10*promise, site, all)
	if err := site.Admits(ctx); err != nil {
		t.Error(err)
	}
	lab.Figure(t, fmt.Sprintf("heal (job): caBundle emptied, healed by the servers after %d ms", took.Milliseconds()))
	if took > promise {
		t.Errorf("healed after %s, promised %s", took, promise)
	}
}

// freshLeaf runs jobs until the certificate outlives what emptySecret does: the
// servers have no other until the Secret is refilled.
func freshLeaf(ctx context.Context, t *testing.T, site *replicas.Site) {
	t.Helper()
	for {
		if out, err := site.RunJob(ctx); err != nil {
			t.Fatalf("job: %v: %s", err, replicas.Tail(out, 5))
		}
		secret, err := site.Lab.Client.CoreV1().Secrets(replicas.Namespace).Get(ctx, replicas.Secret, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if leaf := certs.ParseState(secret.Data).Leaf; leaf != nil && time.Until(leaf.Cert.NotAfter) > certValidity*5/6 {
			return
		}
		time.Sleep(schedule / 5) // between looks
	}
}

// emptySecret shows that the servers go on with what they have, and that the next
// job makes new certificates, which all of them serve.
func emptySecret(ctx context.Context, t *testing.T, site *replicas.Site, all []*replicas.Replica) {
	t.Helper()
	freshLeaf(ctx, t, site)
	secrets := site.Lab.Client.CoreV1().Secrets(replicas.Namespace)
	secret, err := secrets.Get(ctx, replicas.Secret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret.Data = nil
	if _, err := secrets.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	load := site.Lab.StartLoad(ctx, 2, replicas.Pod, replicas.Injected)
	for load.Created() < 20 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond) // between looks
	}
	if still, err := secrets.Get(ctx, replicas.Secret, metav1.GetOptions{}); err != nil || len(still.Data) > 0 {
		t.Errorf("somebody else than the job wrote the secret: %d keys, %v", len(still.Data), err)
	}
	begin := time.Now()
	if out, err := site.RunJob(ctx); err != nil {
		t.Fatalf("job: %v: %s", err, replicas.Tail(out, 5))
	}
	ran := time.Since(begin)
	took := healed(ctx, t, "secret emptied", 10*promise, site, all)
	counts := load.Stop()
	lab.Figure(t, fmt.Sprintf("heal (job): secret emptied, refilled by the next job in %d ms, served by all %d ms later; pods %d, failed %d",
		ran.Milliseconds(), took.Milliseconds(), counts.Created+counts.Failed, counts.Failed))
	if counts.Failed > 0 {
		t.Errorf("%d pods failed: %v", counts.Failed, counts.Errors)
	}
}
