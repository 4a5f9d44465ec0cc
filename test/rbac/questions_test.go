//go:build integration

// Package rbac proves that the chart's service accounts may do what the chart
// grants, by name, and nothing else: it asks the authorizer of a real API server.
package rbac

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// asking bounds how many questions are open at a time.
const asking = 16

// question is one thing that an account may do or not. Path is set for what is no
// resource; then the other fields but Verb are empty.
type question struct {
	Verb, Group, Resource, Name, Namespace string
	Path                                   string
}

func (q question) String() string {
	if q.Path != "" {
		return q.Verb + " " + q.Path
	}
	return fmt.Sprintf("%s %s name %q namespace %q", q.Verb, schema.GroupResource{Group: q.Group, Resource: q.Resource}, q.Name, q.Namespace)
}

// verbs are those of every resource.
var verbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

// special are rights that discovery does not tell, by which an account could get
// more than it was given.
var special = []struct{ verb, group, resource string }{
	{"impersonate", "", "users"},
	{"impersonate", "", "groups"},
	{"impersonate", "", "serviceaccounts"},
	{"impersonate", "authentication.k8s.io", "uids"},
	{"bind", "rbac.authorization.k8s.io", "roles"},
	{"bind", "rbac.authorization.k8s.io", "clusterroles"},
	{"escalate", "rbac.authorization.k8s.io", "roles"},
	{"escalate", "rbac.authorization.k8s.io", "clusterroles"},
	{"approve", "certificates.k8s.io", "signers"},
	{"sign", "certificates.k8s.io", "signers"},
	{"attest", "certificates.k8s.io", "signers"},
	{"get", "", "nodes/proxy"},
	{"get", "", "nodes/metrics"},
	{"get", "", "nodes/log"},
	{"*", "*", "*"},
	{"get", "*", "*"},
	{"*", "", "secrets"},
}

var paths = []string{"/", "/api", "/apis", "/openapi/v3", "/version", "/healthz", "/livez", "/readyz", "/metrics", "/configz", "/flagz", "/statusz", "/logs/", "/debug/pprof/", "/.well-known/openid-configuration", "/openid/v1/jwks", "/nowhere"}

// questions are all verbs on all resources that the API server serves, with each of
// the names, in each of the namespaces where a resource is in namespaces, and the
// special ones. The namespace "" stands for all of them.
func questions(client discovery.DiscoveryInterface, names, namespaces []string) ([]question, error) {
	_, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	// Rights know no versions. The value is whether objects are in namespaces.
	kinds := map[schema.GroupResource]bool{}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
		for _, r := range list.APIResources {
			kinds[schema.GroupResource{Group: version.Group, Resource: r.Name}] = r.Namespaced
		}
	}
	var all []question
	each := func(verb, group, resource string, within []string) {
		for _, name := range names {
			for _, namespace := range within {
				all = append(all, question{Verb: verb, Group: group, Resource: resource, Name: name, Namespace: namespace})
			}
		}
	}
	for kind, namespaced := range kinds {
		within := namespaces
		// A namespace is in itself, for the authorizer.
		if !namespaced && !strings.HasPrefix(kind.Resource, "namespaces") {
			within = []string{""}
		}
		for _, verb := range verbs {
			each(verb, kind.Group, kind.Resource, within)
		}
	}
	for _, s := range special {
		each(s.verb, s.group, s.resource, namespaces)
	}
	for _, path := range paths {
		for _, verb := range []string{"get", "post", "put", "delete"} {
			all = append(all, question{Verb: verb, Path: path})
		}
	}
	slices.SortFunc(all, func(a, b question) int { return cmp.Compare(a.String(), b.String()) })
	return all, nil
}

// account is a service account.
type account struct{ namespace, name string }

func (a account) String() string { return a.namespace + "/" + a.name }

// client acts as the account: the API server itself says to which groups it belongs.
func (a account) client(config *rest.Config) (kubernetes.Interface, error) {
	c := rest.CopyConfig(config)
	c.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + a.namespace + ":" + a.name}
	return kubernetes.NewForConfig(c)
}

// may asks one question as the client's account.
func may(ctx context.Context, client kubernetes.Interface, q question) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{}
	if q.Path != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: q.Verb, Path: q.Path}
	} else {
		resource, sub, _ := strings.Cut(q.Resource, "/")
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: q.Verb, Group: q.Group, Resource: resource, Subresource: sub, Name: q.Name, Namespace: q.Namespace,
		}
	}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("%s: %w", q, err)
	}
	if answer.Status.EvaluationError != "" {
		return false, fmt.Errorf("%s: %s", q, answer.Status.EvaluationError)
	}
	return answer.Status.Allowed, nil
}

// allowed asks all questions as the account, and returns those answered with yes.
func allowed(ctx context.Context, config *rest.Config, a account, all []question) (map[question]bool, error) {
	client, err := a.client(config)
	if err != nil {
		return nil, err
	}
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		yes  = map[question]bool{}
		errs []error
		next = make(chan question)
	)
	for range asking {
		wg.Go(func() {
			for q := range next {
				ok, err := may(ctx, client, q)
				mu.Lock()
				if ok {
					yes[q] = true
				}
				if err != nil && len(errs) < 5 {
					errs = append(errs, err)
				}
				mu.Unlock()
			}
		})
	}
	for _, q := range all {
		next <- q
	}
	close(next)
	wg.Wait()
	return yes, errors.Join(errs...)
}
