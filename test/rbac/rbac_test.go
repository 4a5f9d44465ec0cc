//go:build integration

package rbac

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

const (
	timeout = 6 * time.Minute
	// patience is how long the API server may take to see a new binding.
	patience = 20 * time.Second
)

var (
	cluster *lab.Lab
	// clusterName is this process's own: a second run at the same time has another.
	clusterName = fmt.Sprintf("rbac-%d", os.Getpid())
)

func TestMain(m *testing.M) {
	code, err := runWithCluster(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rbac:", err)
		code = 1
	}
	os.Exit(code)
}

func runWithCluster(m *testing.M) (code int, err error) {
	ctx := context.Background()
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	var down func() error
	if cluster, down, err = lab.StartCluster(ctx, root, clusterName, os.Stderr, "--control-plane-only"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, down()) }()
	return m.Run(), nil
}

// counts are summed over all installs.
type counts struct{ accounts, questions, allowed, unexpected, attempts, refused int }

func TestAccountsMayDoNothingElse(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	var sum counts
	for _, in := range installs() {
		t.Run(in.name, func(t *testing.T) { in.prove(ctx, t, &sum) })
	}
	lab.Figure(t, fmt.Sprintf("rbac: accounts %d, questions %d, allowed %d, unexpected %d", sum.accounts, sum.questions, sum.allowed, sum.unexpected))
	lab.Figure(t, fmt.Sprintf("rbac: attempts beyond the rights %d, refused %d", sum.attempts, sum.refused))
	if sum.accounts == 0 || sum.allowed == 0 {
		t.Error("nothing was asked")
	}
}

func (in install) prove(ctx context.Context, t *testing.T, sum *counts) {
	if err := cluster.Namespace(ctx, in.namespace, nil); err != nil {
		t.Fatal(err)
	}
	asked, err := questions(cluster.Client.Discovery(), names, []string{in.namespace, testNamespace(in.namespace), otherNamespace, ""})
	if err != nil {
		t.Fatal(err)
	}
	// What everybody has, as an account that nobody knows says before the chart is
	// there: rights that the chart gave to everybody would show.
	everybody, err := allowed(ctx, cluster.Config, account{in.namespace, "bare"}, asked)
	if err != nil {
		t.Fatal(err)
	}
	in.install(ctx, t)
	in.inForce(ctx, t)
	for name, grants := range in.accounts {
		a := account{in.namespace, name}
		got, err := allowed(ctx, cluster.Config, a, asked)
		if err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(got, func(q question, _ bool) bool { return everybody[q] })
		sum.accounts++
		sum.questions += len(asked)
		sum.allowed += len(got)
		sum.unexpected += compare(t, a, grants, asked, got)
	}
	in.attempts(ctx, t, sum)
}

// compare reports every answer that is not the expected one, and returns how many
// rights there were too many.
func compare(t *testing.T, a account, grants []grant, asked []question, got map[question]bool) (unexpected int) {
	t.Helper()
	for _, q := range asked {
		want := slices.ContainsFunc(grants, func(g grant) bool { return g.covers(q) })
		switch {
		case got[q] && !want:
			unexpected++
			t.Errorf("%s may %s, which the chart does not mean to grant", a, q)
		case want && !got[q]:
			t.Errorf("%s may not %s", a, q)
		}
	}
	for _, g := range grants {
		for _, q := range g.questions() {
			if !slices.Contains(asked, q) {
				t.Errorf("%s was never asked: is there such a resource?", q)
			}
		}
	}
	return unexpected
}

// install does what users do, without waiting: there is no node. What belongs to
// hooks is made by hand, without what runs.
func (in install) install(ctx context.Context, t *testing.T) {
	t.Helper()
	helm := func(args ...string) string {
		out, err := cluster.Helm(ctx, append(args, "--namespace", in.namespace)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	helm(append([]string{"install", release, cluster.Chart()}, in.flags...)...)
	var objects []string
	for _, object := range strings.Split(helm("get", "hooks", release), "\n---\n") {
		if !strings.Contains(object, "\nkind: Pod\n") && !strings.Contains(object, "\nkind: Job\n") {
			objects = append(objects, object)
		}
	}
	hooks := strings.Join(objects, "\n---\n")
	if _, err := cluster.Kubectl(ctx, clusterName, strings.NewReader(hooks), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The other install has the same webhook configuration.
		ctx := context.WithoutCancel(ctx)
		if _, err := cluster.Helm(ctx, "uninstall", release, "--namespace", in.namespace); err != nil {
			t.Error(err)
		}
		if _, err := cluster.Kubectl(ctx, clusterName, strings.NewReader(hooks), "delete", "-f", "-"); err != nil {
			t.Error(err)
		}
	})
	for name := range in.accounts {
		if err := poll(ctx, func() error {
			_, err := cluster.Client.CoreV1().ServiceAccounts(in.namespace).Get(ctx, name, metav1.GetOptions{})
			return err
		}); err != nil {
			t.Fatalf("the chart made no account: %v", err)
		}
	}
}

// inForce waits until the API server knows the bindings.
func (in install) inForce(ctx context.Context, t *testing.T) {
	t.Helper()
	for name, grants := range in.accounts {
		a := account{in.namespace, name}
		client, err := a.client(cluster.Config)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range grants {
			for _, q := range g.questions() {
				if err := poll(ctx, func() error {
					ok, err := may(ctx, client, q)
					if err == nil && !ok {
						err = errors.New("no")
					}
					return err
				}); err != nil {
					t.Errorf("may %s %s: %v", a, q, err)
				}
			}
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// poll asks until there is no error, or returns the last one.
func poll(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
