package chart

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// configMap returns the data of the ConfigMap that the server mounts at a path.
func configMap(t testing.TB, objects []*object, mountPath string) map[string]string {
	t.Helper()
	spec := into[appsv1.Deployment](t, one(t, objects, "Deployment", "")).Spec.Template.Spec
	for _, m := range spec.Containers[0].VolumeMounts {
		for _, v := range spec.Volumes {
			if m.MountPath == mountPath && v.Name == m.Name && v.ConfigMap != nil {
				return into[corev1.ConfigMap](t, one(t, objects, "ConfigMap", v.ConfigMap.Name)).Data
			}
		}
	}
	t.Fatalf("no ConfigMap is mounted at %s", mountPath)
	return nil
}

// cluster is a cluster that has native sidecars, or not.
type cluster struct{ native bool }

func (c cluster) NativeSidecars(string) bool { return c.native }
func (cluster) Namespace(string) (labels, annotations map[string]string, ok bool) {
	return nil, nil, false
}

// compile does what the server does with the configuration that the chart makes, in
// which nothing may be wrong.
func compile(t testing.TB, objects []*object, native bool) *inject.Snapshot {
	t.Helper()
	snapshot, found := load(t, objects, native)
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	for _, warning := range found.Warnings {
		t.Errorf("warning: %s", warning)
	}
	return snapshot
}

// load judges the configuration that the chart makes.
func load(t testing.TB, objects []*object, native bool) (*inject.Snapshot, inject.Findings) {
	t.Helper()
	injection, mesh := configMap(t, objects, "/etc/istio/inject"), configMap(t, objects, "/etc/istio/config")
	flags := flagsOf(t, into[appsv1.Deployment](t, one(t, objects, "Deployment", "")).Spec.Template.Spec.Containers[0])
	return inject.Load(t.Context(), config.Sources{
		Inject: config.Source{Name: "config", Data: []byte(injection["config"])},
		Values: config.Source{Name: "values", Data: []byte(injection["values"])},
		Mesh:   config.Source{Name: "mesh", Data: []byte(mesh["mesh"])},
	}, inject.Options{Revision: flags["revision"], Cluster: cluster{native}})
}

// injected has a pod injected, checks that the patch makes the same pod, and
// that injecting it again changes nothing.
func injected(t testing.TB, s *inject.Snapshot, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	result := s.Inject(t.Context(), inject.Request{Object: raw, Namespace: "shop"})
	if result.Decision.Outcome != decide.Inject {
		t.Fatalf("not injected: %s: %s", result.Decision.Code, result.Decision.Message)
	}
	patch, err := jsonpatch.DecodePatch(result.Patch)
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply(raw)
	if err != nil {
		t.Fatal(err)
	}
	if again := s.Inject(t.Context(), inject.Request{Object: after, Namespace: "shop"}); again.Patch != nil {
		t.Errorf("injecting again changes the pod: %s", again.Patch)
	}
	out := &corev1.Pod{}
	if err := yaml.UnmarshalStrict(after, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// application is a pod that every example has something to do with.
func application() *corev1.Pod {
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "shop-5d4f8c7b9-", Namespace: "shop",
			Labels: map[string]string{"app": "shop", "pod-template-hash": "5d4f8c7b9", "sidecar.istio.io/inject": "true"},
			Annotations: map[string]string{
				"cloud-sql-proxy/instances": "p:r:i,p:r:j",
				"vault-agent/file-db.json":  `secret/data/"shop"/db`,
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "shop-5d4f8c7b9", Controller: new(true)}},
		},
		Spec: corev1.PodSpec{
			ServiceAccountName: "shop",
			Containers: []corev1.Container{{
				Name: "shop", Image: "shop",
				Ports:        []corev1.ContainerPort{{ContainerPort: 8000}},
				VolumeMounts: []corev1.VolumeMount{{Name: "logs", MountPath: "/var/log/shop"}},
			}},
			Volumes: []corev1.Volume{{Name: "logs", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		},
	}
}

// The configuration of every installation loads, passes the engine's own check,
// and injects, with and without native sidecars.
func TestConfigurationInjects(t *testing.T) {
	for name, in := range installs(t) {
		if name == "nothing of its own" {
			continue // its ConfigMaps are somebody else's
		}
		objects := in.render(t)
		for _, native := range []bool{false, true} {
			t.Run(filepath.Base(name)+map[bool]string{true: " native", false: ""}[native], func(t *testing.T) {
				s := compile(t, objects, native)
				before, after := application(), injected(t, s, application())
				added := len(after.Spec.Containers) + len(after.Spec.InitContainers) - len(before.Spec.Containers)
				if added < 1 {
					t.Error("no container was added")
				}
				for _, c := range after.Spec.InitContainers {
					if !native && c.RestartPolicy != nil {
						t.Errorf("init container %s is a native sidecar in a cluster that has none", c.Name)
					}
				}
				if native && !strings.HasPrefix(name, "ci/") && len(after.Spec.Containers) != 1 {
					t.Errorf("%d containers, want the application alone: sidecars are native here", len(after.Spec.Containers))
				}
			})
		}
	}
}

// A template reaches the injector byte for byte, whatever is in it.
func TestTemplatesAreTakenAsTheyAre(t *testing.T) {
	for name, text := range map[string]string{
		"actions":         "spec:\n  containers:\n  - name: {{ .Release.Name }}\n    image: {{ include \"x\" . }}\n",
		"no final stop":   "spec: {}",
		"blank lines":     "\n\nspec: {}\n\n\n",
		"leading space":   "  spec: {}\n",
		"tabs":            "spec:\n\t\n  a: b\n",
		"trailing space":  "spec: {}   \n  \n",
		"document marker": "---\nspec: {}\n---\n",
		"quotes":          "spec: {a: \"b'c\\n\", d: 'e'}\n# comment: é 日本\n",
		"carriage return": "spec: {}\r\n",
		"long line":       "a: " + strings.Repeat("word ", 500) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			objects := install{setString: map[string]string{"templates.mine": text}}.render(t)
			var file struct {
				Templates map[string]string `json:"templates"`
			}
			if err := yaml.Unmarshal([]byte(configMap(t, objects, "/etc/istio/inject")["config"]), &file); err != nil {
				t.Fatal(err)
			}
			if got := file.Templates["mine"]; got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		})
	}
}

// A configuration brought along is used as it is; the classic dialect works.
func TestConfigurationBroughtAlong(t *testing.T) {
	content := "policy: enabled\ntemplate: |\n  containers:\n  - name: istio-proxy\n    image: [[ annotation .ObjectMeta \"image\" \"proxy\" ]]\n"
	objects := install{setString: map[string]string{"injectConfig.content": content}}.render(t)
	if got := configMap(t, objects, "/etc/istio/inject")["config"]; got != content {
		t.Errorf("got %q, want %q", got, content)
	}
	s := compile(t, objects, false)
	if s.Dialect() != config.Classic {
		t.Errorf("dialect %v, want classic", s.Dialect())
	}
	pod := application()
	delete(pod.Labels, "sidecar.istio.io/inject")
	if after := injected(t, s, pod); len(after.Spec.Containers) != 2 {
		t.Errorf("%d containers, want 2", len(after.Spec.Containers))
	}
}

// `templates.sidecar` replaces the built-in template and nothing else need be set.
func TestOwnTemplateReplacesTheBuiltIn(t *testing.T) {
	objects := install{setString: map[string]string{"templates.sidecar": "spec: {containers: [{name: hello, image: hello}]}\n"}}.render(t)
	after := injected(t, compile(t, objects, false), application())
	var names []string
	for _, c := range append(after.Spec.InitContainers, after.Spec.Containers...) {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "hello shop" {
		t.Errorf("containers %s, want the application and hello", got)
	}
}

// What templates see as .Values has the shape that templates of the Istio charts expect.
func TestTemplateValues(t *testing.T) {
	values := func(set ...string) map[string]any {
		var out map[string]any
		if err := json.Unmarshal([]byte(configMap(t, install{set: set}.render(t), "/etc/istio/inject")["values"]), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	at := func(v map[string]any, path string) any {
		var node any = v
		for _, key := range strings.Split(path, ".") {
			m, _ := node.(map[string]any)
			node = m[key]
		}
		return node
	}
	for _, c := range []struct {
		set  []string
		path string
		want any
	}{
		{nil, "global.hub", "docker.io/istio"},
		{[]string{"global.hub=example.com/mesh", "global.tag=1"}, "global.hub", "example.com/mesh"},
		{[]string{"global.tag=1"}, "global.tag", "1"},
		{[]string{"global.imageRegistry=mirror.local:5000"}, "global.hub", "mirror.local:5000/istio"},
		{nil, "sidecarInjectorWebhook.rewriteAppHTTPProbe", true},
		{[]string{"rewriteAppHTTPProbe=false"}, "sidecarInjectorWebhook.rewriteAppHTTPProbe", false},
		{nil, "pilot.cni.enabled", false},
		{nil, "revision", ""},
		{[]string{"revision=canary"}, "revision", "canary"},
		{[]string{"templateValues.mine.image=x"}, "mine.image", "x"},
		{[]string{"templateValues.global.network=n"}, "global.network", "n"},
	} {
		if got := at(values(c.set...), c.path); got != c.want {
			t.Errorf("%v: %s is %v, want %v", c.set, c.path, got, c.want)
		}
	}
}

func TestMeshConfiguration(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want map[string]any
	}{
		{nil, map[string]any{"rootNamespace": "istio-system", "trustDomain": "cluster.local", "defaultConfig": map[string]any{"discoveryAddress": "istiod.istio-system.svc:15012"}}},
		{
			[]string{"revision=canary", "global.istioNamespace=mesh", "meshConfig.trustDomain=td", "meshConfig.defaultConfig.concurrency=2", "meshConfig.name=mine"},
			map[string]any{"rootNamespace": "mesh", "trustDomain": "td", "defaultConfig": map[string]any{"discoveryAddress": "istiod-canary.mesh.svc:15012", "concurrency": 2.0}},
		},
		{ // nothing injected answers for merged metrics
			[]string{"templates.sidecar=spec: {}"},
			map[string]any{"rootNamespace": "istio-system", "trustDomain": "cluster.local", "enablePrometheusMerge": false, "defaultConfig": map[string]any{"discoveryAddress": "istiod.istio-system.svc:15012"}},
		},
		{
			[]string{"templates.sidecar=spec: {}", "meshConfig.enablePrometheusMerge=true"},
			map[string]any{"rootNamespace": "istio-system", "trustDomain": "cluster.local", "enablePrometheusMerge": true, "defaultConfig": map[string]any{"discoveryAddress": "istiod.istio-system.svc:15012"}},
		},
	} {
		var got map[string]any
		if err := yaml.Unmarshal([]byte(configMap(t, install{set: c.set}.render(t), "/etc/istio/config")["mesh"]), &got); err != nil {
			t.Fatal(err)
		}
		if g, w := mustJSON(t, got), mustJSON(t, c.want); g != w {
			t.Errorf("%v: %s, want %s", c.set, g, w)
		}
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Both ConfigMaps carry one generation, which changes with either and with nothing
// else.
func TestGeneration(t *testing.T) {
	generation := func(set ...string) string {
		t.Helper()
		objects := install{set: set}.render(t)
		injection, mesh := configMap(t, objects, "/etc/istio/inject")["generation"], configMap(t, objects, "/etc/istio/config")["generation"]
		if injection != mesh || len(mesh) != 64 {
			t.Fatalf("%q: generations %q and %q", set, injection, mesh)
		}
		return mesh
	}
	usual := generation()
	for _, same := range [][]string{nil, {"replicaCount=3"}, {"image.tag=other"}} {
		if got := generation(same...); got != usual {
			t.Errorf("%q gives another generation", same)
		}
	}
	seen := map[string]bool{usual: true}
	for _, other := range []string{"meshConfig.accessLogFile=/dev/null", "policy=disabled", "templateValues.mine=1", "templates.mine=spec: {}"} {
		got := generation(other)
		if seen[got] {
			t.Errorf("%s gives no generation of its own", other)
		}
		seen[got] = true
	}
}

// Volumes of the pod's author and their mounts, in the default template.
func TestUserVolumes(t *testing.T) {
	s := compile(t, install{}.render(t), false)
	pod := application()
	pod.Annotations["sidecar.istio.io/userVolume"] = `{"certs":{"secret":{"secretName":"a: b","optional":true}},"own":{"name":"other","emptyDir":{}}}`
	pod.Annotations["sidecar.istio.io/userVolumeMount"] = `{"certs":{"mountPath":"/certs","readOnly":true},"own":{"mountPath":"/own"}}`
	after := injected(t, s, pod)
	volumes := map[string]corev1.Volume{}
	for _, v := range after.Spec.Volumes {
		volumes[v.Name] = v
	}
	if v := volumes["certs"].Secret; v == nil || v.SecretName != "a: b" || !*v.Optional {
		t.Errorf("volume certs is %+v", volumes["certs"])
	}
	if volumes["own"].EmptyDir == nil || volumes["other"].Name != "" {
		t.Errorf("volumes %+v", after.Spec.Volumes)
	}
	mounts := map[string]corev1.VolumeMount{}
	for _, c := range after.Spec.Containers {
		if c.Name != "istio-proxy" {
			continue
		}
		for _, m := range c.VolumeMounts {
			mounts[m.Name] = m
		}
	}
	if m := mounts["certs"]; m.MountPath != "/certs" || !m.ReadOnly {
		t.Errorf("mount certs is %+v", m)
	}
	if mounts["own"].MountPath != "/own" {
		t.Errorf("mounts %+v", mounts)
	}
}
