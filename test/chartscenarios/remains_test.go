//go:build e2e

package chartscenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// uninstall removes all that an installation made, helm test included, and pods
// can be created when it is done. While it runs some are refused with Helm 3,
// which removes the Service before the webhook configuration; how many is said.
func uninstall(s *scenario) {
	before, err := everything(s.ctx)
	s.must(err)
	s.install()
	s.helmTest()
	s.must(injected(s.create(s.apps, "first", nil)))
	s.must(cluster.Client.CoreV1().Pods(s.apps).Delete(s.ctx, "first", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
	load := s.startLoad(func(*corev1.Pod) error { return nil })
	_, err = s.helmRun("uninstall", s.release, "--namespace", s.namespace)
	s.must(err)
	counts := load.Stop()
	s.note += fmt.Sprintf(", refused meanwhile %d of %d", counts.Failed, counts.Failed+counts.Created)
	s.bare(s.create(s.apps, "bare", nil))
	s.must(cluster.Client.CoreV1().Pods(s.apps).Delete(s.ctx, "bare", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
	s.sameAs(before)
}

func (s *scenario) bare(pod *corev1.Pod) {
	s.Helper()
	if injected(pod) == nil {
		s.Errorf("pod %s/%s has a sidecar: %v", pod.Namespace, pod.Name, lab.ContainerNames(pod))
	}
}

// comesAndGoes are kinds that the cluster itself makes and drops all the time.
var comesAndGoes = []string{"events", "leases"}

// everything lists each object of the cluster, of whatever kind.
func everything(ctx context.Context) (map[string]bool, error) {
	config := rest.CopyConfig(cluster.Config)
	config.WarningHandler = rest.NoWarnings{} // of kinds that are deprecated
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	groups, err := cluster.Client.Discovery().ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	listable := discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}
	for _, group := range discovery.FilteredBy(listable, groups) {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, kind := range group.APIResources {
			if slices.Contains(comesAndGoes, kind.Name) {
				continue
			}
			list, err := client.Resource(version.WithResource(kind.Name)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", kind.Name, err)
			}
			for _, object := range list.Items {
				found[fmt.Sprintf("%s %s/%s", kind.Name, object.Namespace, object.Name)] = true
			}
		}
	}
	return found, nil
}

// sameAs waits until nothing is in the cluster that was not there before.
func (s *scenario) sameAs(before map[string]bool) {
	s.Helper()
	var more []string
	err := wait.PollUntilContextTimeout(s.ctx, 250*time.Millisecond, stepLimit, true, func(ctx context.Context) (bool, error) {
		now, err := everything(ctx)
		if err != nil {
			return false, nil
		}
		more = nil
		for object := range now {
			// Every namespace gets these two a moment after it is made.
			if !before[object] && !strings.HasSuffix(object, "/kube-root-ca.crt") && !strings.HasPrefix(object, "serviceaccounts "+s.namespace+"/default") && !strings.HasPrefix(object, "serviceaccounts "+s.apps+"/default") {
				more = append(more, object)
			}
		}
		return len(more) == 0, nil
	})
	if err != nil {
		slices.Sort(more)
		s.Errorf("after uninstall there is still %s", strings.Join(more, ", "))
	}
}

// afterFailed installs over an installation whose pods never came up.
func afterFailed(s *scenario) {
	ctx, cancel := context.WithTimeout(s.ctx, stepLimit)
	defer cancel()
	_, err := s.helm(ctx, "install", s.release, cluster.Chart(), "--namespace", s.namespace, "--wait", "--timeout", "3s",
		"--set", "image.hub="+hub, "--set", "image.tag=no-such-tag", "--set", "global.imagePullPolicy=Never")
	if err == nil {
		s.Fatal("an installation of an image that is not there succeeded")
	}
	// No injector answers, so a pod that wants a sidecar must not get in without.
	if _, err := cluster.Client.CoreV1().Pods(s.apps).Create(s.ctx, lab.UnschedulablePod(s.apps, "early", nil), metav1.CreateOptions{}); err == nil {
		s.Error("a pod got in without sidecar while no injector runs and failurePolicy is Fail")
	}
	s.upgrade("--install")
	s.must(injected(s.create(s.apps, "first", nil)))
	s.helmTest()
}

// afterLostRecord installs over objects whose release record is gone, as after a
// namespace restored from a backup without Helm's Secrets.
func afterLostRecord(s *scenario) {
	s.install(s.greeting("one")...)
	before := s.trust()
	err := cluster.Client.CoreV1().Secrets(s.namespace).DeleteCollection(s.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "owner=helm"})
	s.must(err)
	s.underLoad(injected, func() {
		s.install(s.greeting("two")...)
		s.inForce("two")
	})
	s.survives(before)
}

// templateApply is for those who do not let Helm talk to the cluster.
func templateApply(s *scenario) {
	rendered, err := cluster.Helm(s.ctx, append([]string{"template", s.release, cluster.Chart(), "--namespace", s.namespace}, imageArgs()...)...)
	s.must(err)
	apply := func(verb ...string) error {
		_, err := cluster.Kubectl(s.ctx, clusterName, strings.NewReader(rendered), append(verb, "-f", "-")...)
		return err
	}
	defer func() {
		if err := apply("delete", "--ignore-not-found", "--wait=false"); err != nil {
			s.Error(err)
		}
	}()
	s.must(apply("apply"))
	s.must(cluster.RolledOut(s.ctx, s.namespace, s.release))
	s.must(injected(s.create(s.apps, "first", nil)))
	before := s.trust()
	s.underLoad(injected, func() { s.must(apply("apply")) })
	s.survives(before)
}

// cleanUp removes what the scenario left, and waits for nothing but Helm.
func (s *scenario) cleanUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), stepLimit)
	defer cancel()
	var errs []error
	for _, namespace := range []string{s.namespace, s.namespace + "-two"} {
		out, err := cluster.Helm(ctx, "list", "--all", "--short", "--namespace", namespace)
		errs = append(errs, err)
		for _, release := range strings.Fields(out) {
			_, err := cluster.Helm(ctx, "uninstall", release, "--namespace", namespace, "--timeout", "30s")
			errs = append(errs, err)
		}
	}
	namespaces, err := cluster.Client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	errs = append(errs, err)
	for _, namespace := range namespaces.Items {
		own := strings.HasPrefix(namespace.Name, s.namespace) || strings.HasPrefix(namespace.Name, s.apps) || strings.Contains(namespace.Name, "-test-")
		if own && namespace.DeletionTimestamp == nil {
			errs = append(errs, cluster.Client.CoreV1().Namespaces().Delete(ctx, namespace.Name, metav1.DeleteOptions{}))
		}
	}
	if err := errors.Join(errs...); err != nil {
		s.Errorf("clean up: %v", err)
	}
}
