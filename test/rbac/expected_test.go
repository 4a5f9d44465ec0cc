//go:build integration

package rbac

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// The chart's names with release istio-sidecar-injector.
const (
	release       = "istio-sidecar-injector"
	webhookConfig = "istio-sidecar-injector"
	secretName    = "istio.istio-sidecar-injector-service-account"
	injectMap     = "istio-sidecar-injector"
	meshMap       = "istio"
	recordMap     = "istio-sidecar-injector-last-good"

	serverAccount = "istio-sidecar-injector-service-account"
	jobAccount    = "istio-sidecar-injector-certs"
	testAccount   = "istio-sidecar-injector-test"
	// validateAccount is there while the configuration is validated before an upgrade.
	validateAccount = "istio-sidecar-injector-validate"

	otherName      = "somebody-elses"
	otherNamespace = "kube-system"
)

// names are asked for with every resource: all that the chart grants anything on,
// one that it does not, and none, which is all objects of a kind.
var names = []string{secretName, webhookConfig, meshMap, recordMap, otherName, ""}

// grant is what an account may do. No names: any object, and all together. No
// namespace: in the whole cluster.
type grant struct {
	group, resource string
	names           []string
	namespace       string
	verbs           []string
}

func (g grant) covers(q question) bool {
	return q.Path == "" && g.group == q.Group && g.resource == q.Resource &&
		slices.Contains(g.verbs, q.Verb) &&
		(len(g.names) == 0 || slices.Contains(g.names, q.Name)) &&
		(g.namespace == "" || g.namespace == q.Namespace)
}

// questions are those that must all be answered with yes: one for each verb and
// name.
func (g grant) questions() []question {
	names := g.names
	if len(names) == 0 {
		names = []string{""}
	}
	var all []question
	for _, verb := range g.verbs {
		for _, name := range names {
			all = append(all, question{Verb: verb, Group: g.group, Resource: g.resource, Name: name, Namespace: g.namespace})
		}
	}
	return all
}

var read = []string{"get", "list", "watch"}

// The rights that more than one account has.
var (
	keepBundle = grant{group: "admissionregistration.k8s.io", resource: "mutatingwebhookconfigurations", names: []string{webhookConfig}, verbs: []string{"get", "list", "watch", "patch"}}
	keepGuard  = grant{group: "admissionregistration.k8s.io", resource: "validatingwebhookconfigurations", names: []string{webhookConfig}, verbs: []string{"get", "list", "watch", "patch"}}
	namespaces = grant{resource: "namespaces", verbs: []string{"list", "watch"}}
	nodes      = grant{resource: "nodes", verbs: []string{"list", "watch"}}
)

// testNamespace is the one that the chart makes for the test of the release in a
// namespace: its hash is of both and of the full name.
func testNamespace(namespace string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + release + "/" + release))
	return fmt.Sprintf("%s-test-%x", release, sum[:4])
}

func tryPods(namespace string) grant {
	return grant{resource: "pods", namespace: testNamespace(namespace), verbs: []string{"create"}}
}

func configMaps(namespace string) grant {
	return grant{resource: "configmaps", names: []string{injectMap, meshMap}, namespace: namespace, verbs: read}
}

// record is what the servers may do for the last good configuration.
func record(namespace string) []grant {
	return []grant{
		{resource: "configmaps", names: []string{recordMap}, namespace: namespace, verbs: append(slices.Clone(read), "update")},
		{resource: "events", namespace: namespace, verbs: []string{"create", "patch"}},
	}
}

func secret(namespace string, more ...string) grant {
	return grant{resource: "secrets", names: []string{secretName}, namespace: namespace, verbs: append(slices.Clone(read), more...)}
}

// install is one way of installing the chart, and what its accounts may do then.
type install struct {
	name, namespace string
	flags           []string
	accounts        map[string][]grant
}

// installs names all rights that the chart may grant: a right that is added to the
// chart must be added here.
func installs() []install {
	const (
		byServer = "rbac-default"
		byJob    = "rbac-job"
	)
	return []install{{
		name: "default", namespace: byServer,
		accounts: map[string][]grant{
			serverAccount: append(record(byServer), keepBundle, keepGuard, namespaces, nodes, configMaps(byServer), secret(byServer, "update")),
			testAccount:   {tryPods(byServer)},
			"default":     nil,
		},
	}, {
		name: "job", namespace: byJob, flags: []string{"--set", "certs.bootstrap=job,validate.enabled=true", "--no-hooks"},
		accounts: map[string][]grant{
			serverAccount:   append(record(byJob), keepBundle, keepGuard, namespaces, nodes, configMaps(byJob), secret(byJob)),
			jobAccount:      {keepBundle, keepGuard, secret(byJob, "update")},
			testAccount:     {tryPods(byJob)},
			validateAccount: {{resource: "pods", namespace: byJob, verbs: []string{"create"}}},
			"default":       nil,
		},
	}}
}
