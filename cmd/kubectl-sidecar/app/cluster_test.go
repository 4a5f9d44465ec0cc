package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"helm.sh/helm/v3/pkg/chart/loader"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// apiServer answers reads of the objects that it is given, and discovery.
type apiServer struct {
	objects map[string]map[string]any // path -> object
	lists   map[string][]map[string]any
}

// plural is the resource of a kind; kinds that are not here are not served.
var plural = map[string]string{
	"MutatingWebhookConfiguration": "mutatingwebhookconfigurations", "Service": "services", "Deployment": "deployments",
	"ConfigMap": "configmaps", "Namespace": "namespaces", "Node": "nodes", "Pod": "pods",
}

func (s *apiServer) add(t *testing.T, manifest, namespace string) {
	t.Helper()
	for _, doc := range strings.Split(manifest, "\n---\n") {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatal(err)
		}
		kind, _ := o["kind"].(string)
		if plural[kind] == "" {
			continue
		}
		apiVersion := o["apiVersion"].(string)
		base := "/apis/" + apiVersion
		if apiVersion == "v1" {
			base = "/api/v1"
		}
		meta := o["metadata"].(map[string]any)
		list := base + "/" + plural[kind]
		if kind != "Namespace" && kind != "Node" && kind != "MutatingWebhookConfiguration" {
			if meta["namespace"] == nil {
				meta["namespace"] = namespace
			}
			list = fmt.Sprintf("%s/namespaces/%s/%s", base, meta["namespace"], plural[kind])
		}
		s.lists[list] = append(s.lists[list], o)
		s.objects[path.Join(list, meta["name"].(string))] = o
	}
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	resource := func(name, kind string, namespaced bool) metav1.APIResource {
		return metav1.APIResource{Name: name, SingularName: strings.ToLower(kind), Kind: kind, Namespaced: namespaced, Verbs: []string{"get", "list"}}
	}
	if o, ok := s.objects[r.URL.Path]; ok {
		answer(o)
		return
	}
	if items, ok := s.lists[r.URL.Path]; ok {
		answer(map[string]any{"kind": items[0]["kind"].(string) + "List", "apiVersion": items[0]["apiVersion"], "items": items})
		return
	}
	switch r.URL.Path {
	case "/api":
		answer(metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	case "/apis":
		v := metav1.GroupVersionForDiscovery{GroupVersion: "apps/v1", Version: "v1"}
		answer(metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{{Name: "apps", Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v}}})
	case "/api/v1":
		answer(metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: "v1", APIResources: []metav1.APIResource{resource("pods", "Pod", true), resource("services", "Service", true)}})
	case "/apis/apps/v1":
		answer(metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: "apps/v1", APIResources: []metav1.APIResource{resource("deployments", "Deployment", true)}})
	default:
		w.WriteHeader(http.StatusNotFound)
		answer(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: 404, Reason: metav1.StatusReasonNotFound, Message: "not found: " + r.URL.Path})
	}
}

// startCluster is the script command `cluster FILE...`: it starts an API server in
// which the chart is installed in istio-system, and the objects of the files
// exist, and points KUBECONFIG to it.
func startCluster(t *testing.T, chart string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		o := &options{chart: chart, releaseName: "istio-sidecar-injector", kubeVersion: "v1.36.0"}
		ch, err := loader.Load(chart)
		ts.Check(err)
		manifest, err := o.render(context.Background(), ch, nil, "istio-system")
		ts.Check(err)
		s := &apiServer{objects: map[string]map[string]any{}, lists: map[string][]map[string]any{}}
		s.add(t, manifest, "istio-system")
		for _, file := range args {
			s.add(t, ts.ReadFile(file), "default")
		}
		server := httptest.NewServer(s)
		ts.Defer(server.Close)
		config := filepath.Join(ts.Getenv("WORK"), "kubeconfig")
		ts.Check(os.WriteFile(config, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: shop}}]
users: [{name: u, user: {}}]
current-context: c
`, server.URL), 0o600))
		ts.Setenv("KUBECONFIG", config)
	}
}
