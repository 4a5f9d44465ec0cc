//go:build e2e

package badconfig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

const (
	hub, tag   = "sidecar-injector.local", "dev"
	release    = "istio-sidecar-injector"
	namespace  = "istio-system"
	apps       = "apps"
	injectName = "istio-sidecar-injector"
	meshName   = "istio"
	recordName = "istio-sidecar-injector-last-good"
	serverPods = "app=sidecarInjectorWebhook"
	monitoring = 15014
	alias      = "both"
	replicas   = 2

	// judgedLimit is how long servers may take to see and judge a change: a look at
	// the worst configuration takes ten seconds.
	judgedLimit = 40 * time.Second
	// inForceLimit is what is promised for a good change, a rollback too.
	inForceLimit = 5 * time.Second
	// recordedLimit is how late what is in force may be recorded while the configuration
	// changes all the time.
	recordedLimit = 15 * time.Second
	// readyLimit is how long a restarted server may take.
	readyLimit = time.Minute
)

// site is the installed injector, and what is known to be in force.
type site struct {
	*testing.T
	lab *lab.Lab
	dir string

	good  state
	marks marks
	load  *lab.Load
	sum   sums
}

// state is a good configuration and what shows that it is in force.
type state struct {
	change
	mark string
	hash string
	// one is set in the classic dialect, which has one template.
	one bool
}

// sums are the figures.
type sums struct {
	cases, tries, refused, stored, wrong, restarts, survived, goods, bases int
	created, failed                                                        int64
	slowest, latest                                                        time.Duration
	reasons                                                                []string
}

// marks are the greetings that pods may come out of admission with, and those that
// came out with another one.
type marks struct {
	mu      sync.Mutex
	allowed []string
	wrong   []string
	// one is set while there is one template only, which pods cannot choose.
	one bool
}

func (m *marks) allow(one bool, marks ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.allowed, m.one = marks, one
}

// accept notes a pod that another configuration than the good one has made. It is
// no failed admission.
func (m *marks) accept(pod *corev1.Pod) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(pod); err != nil && len(m.wrong) < 20 {
		m.wrong = append(m.wrong, err.Error())
	}
	return nil
}

func (m *marks) check(pod *corev1.Pod) error {
	names := lab.ContainerNames(pod)
	if got := lab.SidecarEnv(pod, "GREETING"); !slices.Contains(m.allowed, got) {
		return fmt.Errorf("pod %s has containers %v and greeting %q, want one of %q", pod.Name, names, got, m.allowed)
	}
	if wants := pod.Annotations[templatesAnnotation] == alias; !m.one && wants != slices.Contains(names, "logger") {
		return fmt.Errorf("pod %s has containers %v and asks for templates %q", pod.Name, names, pod.Annotations[templatesAnnotation])
	}
	return nil
}

func (m *marks) taken() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	wrong := m.wrong
	m.wrong = nil
	return wrong
}

const templatesAnnotation = "inject.istio.io/templates"

// pod is what the load creates: every second one asks for the alias.
func pod(client, n int) *corev1.Pod {
	p := lab.UnschedulablePod(apps, fmt.Sprintf("load-%d-%d", client, n), nil)
	if n%2 == 1 {
		p.Annotations = map[string]string{templatesAnnotation: alias}
	}
	return p
}

func (s *site) startLoad(ctx context.Context) {
	s.load = s.lab.StartLoad(ctx, 2, pod, s.marks.accept)
}

func (s *site) stopLoad() {
	counts := s.load.Stop()
	s.sum.created += counts.Created
	s.sum.failed += counts.Failed
	s.sum.reasons = append(s.sum.reasons, counts.Errors...)
}

// report is what a server says of its configuration.
type report struct {
	Configuration struct {
		Hash     string     `json:"hash"`
		Error    string     `json:"error"`
		FailedAt *time.Time `json:"failedAt"`
		Waiting  string     `json:"waiting"`
	} `json:"configuration"`
}

func (s *site) servers(ctx context.Context) ([]corev1.Pod, error) {
	return s.serversIn(ctx, namespace)
}

// serversIn are those of the release in a namespace that are to stay.
func (s *site) serversIn(ctx context.Context, namespace string) ([]corev1.Pod, error) {
	pods, err := s.lab.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: serverPods})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }), nil
}

func (s *site) ask(ctx context.Context, server *corev1.Pod) (report, error) {
	var r report
	_, body, err := s.lab.Request(ctx, server, monitoring, "/debug/config")
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(body), &r)
}

// all waits until every server says what is accepted.
func (s *site) all(ctx context.Context, limit time.Duration, what string, accept func(report) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, limit, true, func(ctx context.Context) (bool, error) {
		err := s.each(ctx, accept)
		if ctx.Err() == nil {
			last = err
		}
		return err == nil || errors.Is(err, errInForce), nil
	})
	if err != nil {
		err = fmt.Errorf("waited for %s: %w", what, err)
	}
	return errors.Join(err, last)
}

// errInForce ends waiting for a verdict: it has come, and is wrong.
var errInForce = errors.New("it is in force")

func (s *site) each(ctx context.Context, accept func(report) error) error {
	servers, err := s.servers(ctx)
	if err != nil || len(servers) == 0 {
		return errors.Join(err, errors.New("no servers"))
	}
	for i := range servers {
		r, err := s.ask(ctx, &servers[i])
		if err == nil {
			err = accept(r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", servers[i].Name, err)
		}
	}
	return nil
}

// judged waits until every server has looked at what was stored since then, and
// has something against it.
func (s *site) judged(ctx context.Context, since time.Time) error {
	return s.all(ctx, judgedLimit, "the servers to judge it", func(r report) error {
		c := r.Configuration
		if c.Hash != s.good.hash {
			return errInForce
		}
		if c.Waiting != "" || c.Error != "" && c.FailedAt != nil && !c.FailedAt.Before(since) {
			return nil
		}
		return fmt.Errorf("no word against it: %+v", c)
	})
}

// keeps is nil when the servers serve the good configuration: by their word, and by
// the pods that come out.
func (s *site) keeps(ctx context.Context) error {
	err := s.each(ctx, func(r report) error {
		if got := r.Configuration.Hash; got != s.good.hash {
			return fmt.Errorf("in force is %s, want %s", got, s.good.hash)
		}
		return nil
	})
	return errors.Join(err, s.try(ctx))
}

// try creates pods of each kind, without keeping them. Servers take turns.
func (s *site) try(ctx context.Context) error {
	var errs []error
	for n := range 4 {
		p := pod(9, n)
		got, err := s.lab.Client.CoreV1().Pods(apps).Create(ctx, p, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil {
			s.marks.mu.Lock()
			err = s.marks.check(got)
			s.marks.mu.Unlock()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// takes waits until a good change is in force everywhere, and notes that it is what
// is to be in force from now on.
func (s *site) takes(ctx context.Context, next state) error {
	known := next.hash
	err := s.all(ctx, judgedLimit, "the change to be in force", func(r report) error {
		switch c := r.Configuration; {
		case c.Error != "" || c.Waiting != "":
			return fmt.Errorf("it is refused, or waits: %+v", c)
		case known != "" && c.Hash != known:
			return fmt.Errorf("in force is %s, want %s", c.Hash, known)
		case known == "" && c.Hash == s.good.hash:
			return errors.New("what was before it is in force")
		default:
			next.hash = c.Hash
			return nil
		}
	})
	if err == nil {
		err = s.each(ctx, func(r report) error {
			if got := r.Configuration.Hash; got != next.hash {
				return fmt.Errorf("in force is %s, and %s on another server", got, next.hash)
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	s.good = next
	s.marks.allow(next.one, next.mark)
	return s.try(ctx)
}

// restart deletes server pods, one after the other, each when the last one has been
// replaced, and returns how many were replaced by one that serves the good
// configuration.
func (s *site) restart(ctx context.Context, n int) (survived int, err error) {
	servers, err := s.servers(ctx)
	if err != nil {
		return 0, err
	}
	for _, server := range servers[:min(n, len(servers))] {
		if err := s.lab.Client.CoreV1().Pods(namespace).Delete(ctx, server.Name, metav1.DeleteOptions{}); err != nil {
			return survived, err
		}
		if err := s.rolledOut(ctx); err != nil {
			return survived, err
		}
		if err := s.keeps(ctx); err != nil {
			return survived, err
		}
		survived++
	}
	return survived, nil
}

// rolledOut waits until there are as many servers as there should be, all of them
// ready. A server that was deleted does not count, whatever the Deployment says.
func (s *site) rolledOut(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := s.lab.RolledOut(bounded, namespace, release); err != nil {
		return errors.Join(err, s.unready(ctx))
	}
	last := ""
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, readyLimit, true, func(ctx context.Context) (bool, error) {
		servers, err := s.servers(ctx)
		ready := 0
		for i := range servers {
			if podReady(&servers[i]) {
				ready++
			}
		}
		last = fmt.Sprintf("%d of %d servers are ready", ready, len(servers))
		return err == nil && ready == replicas && len(servers) == replicas, nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %s", err, last), s.unready(ctx))
	}
	return nil
}

func podReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// unready says what servers wait for.
func (s *site) unready(ctx context.Context) error {
	servers, err := s.servers(ctx)
	for i := range servers {
		log, logErr := s.lab.Client.CoreV1().Pods(namespace).GetLogs(servers[i].Name, &corev1.PodLogOptions{TailLines: ptr.To(int64(8))}).DoRaw(ctx)
		err = errors.Join(err, logErr, fmt.Errorf("%s: %s", servers[i].Name, strings.TrimSpace(string(log))))
	}
	return err
}

// down ends all servers at once, as when their nodes fail, and returns when the API
// server knows of none.
func (s *site) down(ctx context.Context) error {
	if err := s.scale(ctx, 0); err != nil {
		return err
	}
	err := s.lab.Client.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}, metav1.ListOptions{LabelSelector: serverPods})
	if err != nil {
		return err
	}
	return s.until(ctx, readyLimit, func() error {
		_, err := s.lab.Client.CoreV1().Pods(apps).Create(ctx, pod(9, 0), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil && strings.Contains(err.Error(), "no endpoints available") {
			return nil
		}
		return fmt.Errorf("a pod is answered with %w, and not for want of servers", err)
	})
}

func (s *site) scale(ctx context.Context, replicas int32) error {
	deployments := s.lab.Client.AppsV1().Deployments(namespace)
	scale, err := deployments.GetScale(ctx, release, metav1.GetOptions{})
	if err != nil {
		return err
	}
	scale.Spec.Replicas = replicas
	_, err = deployments.UpdateScale(ctx, release, scale, metav1.UpdateOptions{})
	return err
}
