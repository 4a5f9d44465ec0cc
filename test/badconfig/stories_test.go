//go:build e2e

package badconfig

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// story is what no single mistake shows.
type story struct {
	name string
	tell func(context.Context, *site, *testing.T)
}

func stories() []story {
	return []story{
		{"an upgrade brings a template and the function it needs", upgradeWithFunction},
		{"a first installation with a mistake", firstInstallation},
		{"uninstalled and installed again", installAgain},
	}
}

// upgradeWithFunction: Helm writes ConfigMaps before it replaces servers, so those
// of before the upgrade are asked about a template that they cannot parse.
func upgradeWithFunction(ctx context.Context, s *site, t *testing.T) {
	helm := ways()[helm3]
	step := func(mark string, change func(values)) {
		t.Helper()
		next, err := s.state(ctx, mark, baseValues(mark).with(change))
		s.marks.allow(false, s.good.mark, mark)
		if err == nil {
			err = helm.write(ctx, s, next.change)
		}
		if err == nil {
			err = s.rolledOut(ctx)
		}
		if err == nil {
			err = s.until(ctx, readyLimit, func() error { return s.alone(ctx) })
		}
		if err == nil {
			err = s.takes(ctx, next)
		}
		if err == nil {
			err = s.keeps(ctx)
		}
		if err != nil {
			t.Fatalf("%s: %v", mark, err)
		}
	}
	older := func(v values) { v["image"] = map[string]any{"hub": hub, "tag": "older"} }
	needs := func(mark string) func(values) {
		return func(v values) { v.template("sidecar", `# {{ swapcase "a" }}`+"\n"+sidecar(mark)) }
	}
	step("older", older)
	// Without the newer servers, it is refused.
	refused, err := s.state(ctx, badMark, baseValues(badMark).with(func(v values) {
		older(v)
		needs(badMark)(v)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := helm.write(ctx, s, refused.change); err == nil || !strings.Contains(err.Error(), "swapcase") {
		t.Errorf("a template that the servers cannot parse, and that is for them, is answered with %v", err)
	}
	step("newer", needs("newer"))
}

// alone is nil when no server is left of those that were replaced: one that is told to
// stop still answers for some seconds.
func (s *site) alone(ctx context.Context) error {
	pods, err := s.lab.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: serverPods})
	if err == nil && len(pods.Items) != replicas {
		err = fmt.Errorf("there are %d servers, with those that stop", len(pods.Items))
	}
	return err
}

// firstInstallation: where there is nothing good to serve, the servers say why they
// are not ready, do not exit, and take the first good configuration at once.
func firstInstallation(ctx context.Context, s *site, t *testing.T) {
	const fresh = "fresh"
	install := func(verb string, v values) error {
		v["revision"] = fresh
		file, err := s.valuesFile(v)
		if err != nil {
			return err
		}
		_, err = s.lab.Helm(ctx, verb, fresh, s.lab.Chart(), "--namespace", fresh, "--values", file)
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.lab.Namespace(ctx, fresh, nil))
	must(install("install", baseValues("good").with(before("{{ nosuchfunction }}"))))
	must(s.until(ctx, readyLimit, func() error { return s.notReady(ctx, fresh, "nosuchfunction") }))
	begin := time.Now()
	must(install("upgrade", baseValues("good")))
	must(s.until(ctx, readyLimit, func() error {
		servers, err := s.serversIn(ctx, fresh)
		if err != nil || len(servers) != replicas {
			return errors.Join(err, fmt.Errorf("%d servers", len(servers)))
		}
		for i := range servers {
			if !podReady(&servers[i]) {
				return fmt.Errorf("server %s is not ready", servers[i].Name)
			}
		}
		return nil
	}))
	t.Logf("ready %d ms after the first good configuration", time.Since(begin).Milliseconds())
	_, err := s.lab.Helm(ctx, "uninstall", fresh, "--namespace", fresh, "--wait")
	must(err)
	must(s.lab.DeleteNamespace(ctx, fresh))
}

// notReady is nil when all servers of a namespace run without being ready, and say
// the reason.
func (s *site) notReady(ctx context.Context, namespace, reason string) error {
	servers, err := s.serversIn(ctx, namespace)
	if err != nil || len(servers) != replicas {
		return errors.Join(err, fmt.Errorf("%d servers", len(servers)))
	}
	for i := range servers {
		server := &servers[i]
		_, _, err := s.lab.Request(ctx, server, monitoring, "/readyz")
		switch {
		case err == nil:
			return fmt.Errorf("%s is ready", server.Name)
		case !strings.Contains(err.Error(), reason):
			return fmt.Errorf("%s does not say %q: %w", server.Name, reason, err)
		}
		for _, c := range server.Status.ContainerStatuses {
			if c.RestartCount != 0 {
				return fmt.Errorf("%s was restarted", server.Name)
			}
		}
	}
	return s.event(ctx, namespace, reason, time.Time{})
}

// event is nil when there is a Warning about a ConfigMap that says so, of since or
// later. Events have whole seconds.
func (s *site) event(ctx context.Context, namespace, reason string, since time.Time) error {
	events, err := s.lab.Client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=" + corev1.EventTypeWarning + ",involvedObject.kind=ConfigMap"})
	if err != nil {
		return err
	}
	for _, e := range events.Items {
		if strings.Contains(e.Message, reason) && !e.LastTimestamp.Time.Before(since.Truncate(time.Second)) {
			return nil
		}
	}
	return fmt.Errorf("%d Events on ConfigMaps in namespace %s, none says %q since %s", len(events.Items), namespace, reason, since.Format(time.TimeOnly))
}

func (s *site) until(ctx context.Context, limit time.Duration, done func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, limit, true, func(context.Context) (bool, error) {
		last = done()
		return last == nil, nil
	})
	return errors.Join(err, last)
}

// installAgain: neither the guard nor the record is in the way of removing the
// release and of installing it anew.
func installAgain(ctx context.Context, s *site, t *testing.T) {
	s.stopLoad()
	defer func() { s.startLoad(ctx) }()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.lab.Helm(ctx, "uninstall", release, "--namespace", namespace, "--wait", "--timeout", readyLimit.String())
	must(err)
	left, err := s.lab.Owned(ctx, release)
	must(err)
	for _, object := range left {
		if !strings.HasPrefix(object, "pods ") {
			t.Errorf("after uninstall there is still %s", object)
		}
	}
	next, err := s.state(ctx, "again", baseValues("again"))
	must(err)
	file, err := s.valuesFile(next.values)
	must(err)
	_, err = s.lab.Helm(ctx, "install", release, s.lab.Chart(), "--namespace", namespace, "--values", file, "--wait", "--timeout", readyLimit.String())
	must(err)
	must(s.takes(ctx, next))
}
