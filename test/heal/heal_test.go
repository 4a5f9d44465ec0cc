//go:build integration

// Package heal proves that whatever is done to the certificates or to the
// caBundle is repaired: by hand, by tools, by killed processes, by an API server
// that restarts.
package heal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/test/replicas"
)

var (
	cluster *lab.Lab
	// clusterName is this process's own: a second run at the same time has another.
	clusterName = fmt.Sprintf("heal-%d", os.Getpid())
	host        string
	root        string
)

func TestMain(m *testing.M) {
	code, err := runWithCluster(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "heal:", err)
		code = 1
	}
	os.Exit(code)
}

func runWithCluster(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if root, err = filepath.Abs("../.."); err != nil {
		return 1, err
	}
	var down func() error
	if cluster, down, err = lab.StartCluster(ctx, root, clusterName, os.Stderr, "--control-plane-only"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, down()) }()
	if host, err = lab.HostAddress(ctx, root, clusterName); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// promise is how soon a fault must be repaired after it can be seen.
const promise = time.Second

// reconnect is how long it may take until a fault is seen when all connections to
// the API server are broken: a second between tries, and the request itself while
// the API server has just started.
const reconnect = 2 * time.Second

type bench struct {
	*testing.T
	ctx      context.Context
	site     *replicas.Site
	running  []*replicas.Replica
	started  int
	faults   int
	healed   int
	slowest  time.Duration
	created  int64
	failed   int64
	stopLoad func()
}

func TestHeal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	site, err := replicas.Install(ctx, cluster, host, t.TempDir(), "--caValidity=30s", "--certValidity=10s", "--trustPropagation=2s")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, ctx: ctx, site: site}
	for range 3 {
		b.start()
	}
	if err := site.Admits(ctx); err != nil {
		t.Fatal(err)
	}
	history := site.Follow(ctx)
	b.load()
	for range 3 {
		b.hands()
	}
	b.kills(history)
	b.stopLoad()
	b.restartAPIServer()
	b.load()
	b.hands()
	b.stopLoad()

	lab.Figure(t, fmt.Sprintf("heal: faults %d, healed %d, slowest %d ms, failed admissions %d of %d",
		b.faults, b.healed, b.slowest.Milliseconds(), b.failed, b.created+b.failed))
	if b.healed != b.faults || b.slowest > promise {
		t.Errorf("%d of %d healed, the slowest after %s, promised %s", b.healed, b.faults, b.slowest, promise)
	}
	// Between a fault and its repair pods are refused, and only then.
	if share := float64(b.failed) / float64(b.created+b.failed); share > 0.25 {
		t.Errorf("%.0f %% of the admissions failed", 100*share)
	}
	if t.Failed() {
		for _, r := range b.running {
			t.Logf("%s:\n%s", r.Name, replicas.Tail(r.Log(), 40))
		}
	}
}

func (b *bench) start() {
	b.Helper()
	r, err := b.site.Start(b.ctx, fmt.Sprint("replica-", b.started))
	if err != nil {
		b.Fatal(err)
	}
	b.started++
	b.Cleanup(r.Kill)
	b.running = append(b.running, r)
}

// load creates pods until stopLoad.
func (b *bench) load() {
	load := cluster.StartLoad(b.ctx, 2, replicas.Pod, replicas.Injected)
	b.stopLoad = func() {
		counts := load.Stop()
		b.created += counts.Created
		b.failed += counts.Failed
		for _, reason := range counts.Errors {
			b.Log("refused meanwhile:", reason)
		}
	}
}

// fault does something bad and measures until everything is right again.
func (b *bench) fault(what string, bad func() error) {
	b.Helper()
	b.faults++
	if err := bad(); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
	begin := time.Now()
	for {
		err := b.right()
		took := time.Since(begin)
		if err == nil {
			b.healed++
			b.slowest = max(b.slowest, took)
			b.Logf("%-34s healed after %d ms", what, took.Milliseconds())
			break
		}
		if took > 20*promise {
			b.Fatalf("%s: not healed after %s: %v", what, took, err)
		}
		time.Sleep(time.Millisecond) // between looks
	}
	for _, r := range b.running {
		if err := r.Ready(); err != nil {
			b.Errorf("%s: %s left the Service: %v", what, r.Name, err)
		}
	}
	if err := b.site.TryPod(b.ctx); err != nil {
		b.Errorf("%s: healed, but a pod is refused: %v", what, err)
	}
}

// right is nil when the Secret is good, and every replica serves what both live
// caBundles trust.
func (b *bench) right() error {
	secret, err := cluster.Client.CoreV1().Secrets(replicas.Namespace).Get(b.ctx, replicas.Secret, metav1.GetOptions{})
	if err != nil {
		return err
	}
	hosts := pki.ServiceHosts(replicas.Service, replicas.Namespace, "")
	if err := certs.ParseState(secret.Data).LeafError(time.Now(), hosts); err != nil {
		return err
	}
	for _, r := range b.running {
		if err := b.site.Handshake(b.ctx, r); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if err := b.site.GuardHandshake(b.ctx, r); err != nil {
			return fmt.Errorf("%s, asked about a configuration: %w", r.Name, err)
		}
	}
	return nil
}

// hands are the faults that people and tools make.
func (b *bench) hands() {
	webhooks := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	secrets := cluster.Client.CoreV1().Secrets(replicas.Namespace)
	bundle := func(patch string) func() error {
		return func() error {
			_, err := webhooks.Patch(b.ctx, replicas.Config, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
			return err
		}
	}
	edit := func(change func(map[string][]byte)) func() error {
		return func() error {
			secret, err := secrets.Get(b.ctx, replicas.Secret, metav1.GetOptions{})
			if err != nil {
				return err
			}
			secret.ResourceVersion = "" // whatever happens meanwhile is lost, too
			if change(secret.Data); len(secret.Data) == 0 {
				secret.Data = nil
			}
			_, err = secrets.Update(b.ctx, secret, metav1.UpdateOptions{})
			return err
		}
	}
	b.fault("caBundle emptied", bundle(`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`))
	b.fault("caBundle replaced by rubbish", bundle(`[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"Cg=="}]`))
	b.fault("webhook configuration re-created", func() error {
		if err := webhooks.Delete(b.ctx, replicas.Config, metav1.DeleteOptions{}); err != nil {
			return err
		}
		return b.site.CreateWebhook(b.ctx)
	})
	guards := cluster.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	for what, patch := range map[string]string{
		"guard's caBundle emptied": `[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`,
		"guard's caBundle rubbish": `[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"Cg=="}]`,
	} {
		b.fault(what, func() error {
			_, err := guards.Patch(b.ctx, replicas.Config, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
			return err
		})
	}
	b.fault("guard re-created", func() error {
		if err := guards.Delete(b.ctx, replicas.Config, metav1.DeleteOptions{}); err != nil {
			return err
		}
		return b.site.CreateGuard(b.ctx)
	})
	b.fault("secret emptied", edit(func(data map[string][]byte) { clear(data) }))
	b.fault("secret deleted and re-created", func() error {
		if err := secrets.Delete(b.ctx, replicas.Secret, metav1.DeleteOptions{}); err != nil {
			return err
		}
		return b.site.CreateSecret(b.ctx)
	})
	b.fault("names of another Service", edit(func(data map[string][]byte) { b.rename(data) }))
	b.fault("key garbled", edit(func(data map[string][]byte) { data[certs.KeyPrivate] = []byte("x") }))
	b.fault("CA key lost", edit(func(data map[string][]byte) { delete(data, certs.KeyCAKey) }))
	// The certificate is good without it; a change of CA mends it in a few seconds.
	b.haveCA()
	b.fault("CAs lost", edit(func(data map[string][]byte) { delete(data, certs.KeyRoots) }))
	b.fault("secret and caBundle emptied", func() error {
		return errors.Join(edit(func(data map[string][]byte) { clear(data) })(), bundle(`[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":""}]`)())
	})
}

// haveCA waits until the Secret holds a CA that can sign.
func (b *bench) haveCA() {
	b.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		secret, err := cluster.Client.CoreV1().Secrets(replicas.Namespace).Get(b.ctx, replicas.Secret, metav1.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		state := certs.ParseState(secret.Data)
		if state.CA != nil && state.CA.CheckCA(time.Now()) == nil {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("no CA that can sign: %v", state.CAErr)
		}
		time.Sleep(20 * time.Millisecond) // between looks
	}
}

// rename signs a certificate for other names, with the CA that is there.
func (b *bench) rename(data map[string][]byte) {
	state := certs.ParseState(data)
	if state.CA == nil {
		b.Fatalf("no CA to sign with: %v", state.CAErr)
	}
	leaf, err := pki.IssueLeaf(state.CA, pki.LeafRequest{CommonName: "x", Hosts: []string{"somebody-else"}, Validity: 10 * time.Second}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	data[certs.KeyChain], data[certs.KeyPrivate] = leaf.CertPEM, leaf.KeyPEM
}

// kills ends, in the middle of each phase, the replica that has just written, and
// starts another one.
func (b *bench) kills(history *replicas.History) {
	for len(history.Phases()) > 0 {
		<-history.Phases()
	}
	todo := map[certs.Action]bool{certs.RenewLeaf: true, certs.AnnounceCA: true, certs.SwitchCA: true, certs.PruneCA: true}
	for len(todo) > 0 {
		var phase certs.Action
		select {
		case phase = <-history.Phases():
		case <-time.After(2 * time.Minute):
			b.Fatalf("phases that never came: %v", todo)
		}
		if !todo[phase] {
			continue
		}
		delete(todo, phase)
		b.fault("replica killed after "+string(phase), func() error {
			victim := b.writer(phase)
			b.running = append(b.running[:victim], b.running[victim+1:]...)
			return nil
		})
		b.start()
	}
	_, before := history.Counts()
	deadline := time.Now().Add(2 * time.Minute)
	for _, after := history.Counts(); after == before; _, after = history.Counts() {
		if time.Now().After(deadline) {
			b.Fatal("no CA change was finished after the replicas were killed")
		}
		time.Sleep(50 * time.Millisecond) // between looks
	}
}

// writer kills the replica whose log says that it did the phase last, and returns
// its index. A pod that ends is no endpoint any more when its process is gone.
func (b *bench) writer(phase certs.Action) int {
	victim, most := 0, -1
	for i, r := range b.running {
		if n := strings.LastIndex(r.Log(), "action="+string(phase)); n > most {
			victim, most = i, n
		}
	}
	b.running[victim].Kill()
	if err := b.running[victim].Withdraw(b.ctx); err != nil {
		b.Fatal(err)
	}
	return victim
}

// restartAPIServer ends every watch, and wipes the caBundle as soon as the API
// server answers again. With certificates that live for seconds the outage may well
// last longer than they do.
func (b *bench) restartAPIServer() {
	before := b.slowest
	b.slowest = 0
	defer func() {
		lab.Figure(b, fmt.Sprintf("heal: API server restarted, healed %d ms after it answered again", b.slowest.Milliseconds()))
		if b.slowest > promise+reconnect {
			b.Errorf("healed %s after the API server answered again", b.slowest)
		}
		b.slowest = before
	}()
	b.fault("API server restarted, caBundle gone", func() error {
		cmd := exec.CommandContext(b.ctx, filepath.Join(root, "scripts", "cluster", "embedded-cluster"), "restart", "kube-apiserver", "--name", clusterName)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		deadline := time.Now().Add(time.Minute)
		for {
			_, err := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(b.ctx, replicas.Config, types.JSONPatchType,
				[]byte(`[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":""}]`), metav1.PatchOptions{})
			if err == nil || time.Now().After(deadline) {
				return err
			}
			time.Sleep(5 * time.Millisecond) // between tries
		}
	})
}
