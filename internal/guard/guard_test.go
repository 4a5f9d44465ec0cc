package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

const (
	good = "policy: enabled\ntemplates:\n  sidecar: |\n    spec: {containers: [{name: sidecar, image: example.com/sidecar}]}\n"
	// needsMesh fails on every pod unless the mesh configuration has the trust domain.
	needsMesh = "policy: enabled\ntemplates:\n  sidecar: |\n    {{ if ne .MeshConfig.TrustDomain \"new.example\" }}{{ fail \"old trust domain\" }}{{ end }}\n    spec: {containers: [{name: sidecar, image: example.com/sidecar}]}\n"
	newMesh   = "trustDomain: new.example\n"
	secret    = "hunter2"
	image     = "example.com/injector:1"
)

var injection, mesh = types.NamespacedName{Namespace: "ns", Name: "inject"}, types.NamespacedName{Namespace: "ns", Name: "mesh"}

// rig is a guard with the real judge, and the ConfigMaps that are stored.
type rig struct {
	handler http.Handler
	stored  map[types.NamespacedName]*corev1.ConfigMap
	readErr error
	events  []admission.Event
}

func newRig(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	dir := t.TempDir()
	files := source.Files{InjectConfig: filepath.Join(dir, "config"), InjectValues: filepath.Join(dir, "values"), MeshConfig: filepath.Join(dir, "mesh")}
	for path, text := range map[string]string{files.InjectConfig: good, files.InjectValues: "{}", files.MeshConfig: "{}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	group := rungroup.New(t.Context())
	t.Cleanup(func() { _ = group.Stop() })
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	judge, err := source.Start(t.Context(), group, source.Options{Files: files, Log: log, Recorder: noRecorder{}, Trouble: trouble.New(log, clock.RealClock{})})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{stored: map[types.NamespacedName]*corev1.ConfigMap{}}
	o := Options{
		Injection: injection, Mesh: mesh, Judge: judge, Image: image,
		Observe: func(ev admission.Event) { r.events = append(r.events, ev) },
		Read: func(_ context.Context, name types.NamespacedName) (*corev1.ConfigMap, error) {
			if r.readErr != nil {
				return nil, r.readErr
			}
			if cm := r.stored[name]; cm != nil {
				return cm, nil
			}
			return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name.Name)
		},
	}
	if change != nil {
		change(&o)
	}
	r.handler = NewHandler(o)
	return r
}

type noRecorder struct{}

func (noRecorder) Reloaded(string, time.Time) {}
func (noRecorder) ReloadFailed(time.Time)     {}

func configMap(name types.NamespacedName, data ...string) *corev1.ConfigMap {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Annotations: map[string]string{}, Labels: map[string]string{}}, Data: map[string]string{}}
	for i := 0; i < len(data); i += 2 {
		cm.Data[data[i]] = data[i+1]
	}
	return cm
}

func stamped(cm *corev1.ConfigMap, image, chart string) *corev1.ConfigMap {
	if cm.Labels[chartLabel] = chart; image != "" {
		cm.Annotations[StampAnnotation] = image
	}
	return cm
}

// answer is the part of a review's response that is looked at.
type answer struct {
	Allowed          bool
	Warnings         []string
	AuditAnnotations map[string]string
	Status           metav1.Status
}

// ask asks about an object, which replaces what is stored.
func (r *rig) ask(t *testing.T, cm, old *corev1.ConfigMap) answer {
	t.Helper()
	request := map[string]any{
		"uid": "u-1", "kind": map[string]string{"version": "v1", "kind": "ConfigMap"}, "operation": "CREATE",
		"namespace": cm.Namespace, "name": cm.Name, "object": cm,
	}
	if old != nil {
		request["operation"], request["oldObject"] = "UPDATE", old
	}
	return r.post(t, request)
}

func (r *rig) post(t *testing.T, request map[string]any) answer {
	t.Helper()
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, newCall(t, request))
	var review struct{ Response answer }
	if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %s", w.Code, w.Body)
	}
	return review.Response
}

// newCall is the call of an API server.
func newCall(t *testing.T, request map[string]any) *http.Request {
	t.Helper()
	body, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
	if err != nil {
		t.Fatal(err)
	}
	call := httptest.NewRequest(http.MethodPost, Path+"?timeout=15s", bytes.NewReader(body))
	call.Header.Set("Content-Type", "application/json")
	return call
}

func TestDecisions(t *testing.T) {
	bad := strings.ReplaceAll(good, "enabled", "sometimes")
	failing := strings.ReplaceAll(needsMesh, "old trust domain", "no good")
	for name, tt := range map[string]struct {
		stored  []*corev1.ConfigMap
		old     *corev1.ConfigMap
		cm      *corev1.ConfigMap
		readErr error
		want    decide.Code
		says    string // in the message or the warnings
		silent  bool   // no warning
	}{
		"a good one": {stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}")}, cm: configMap(injection, "config", good), want: Accepted, silent: true},
		"bad injection": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}")}, cm: configMap(injection, "config", bad),
			want: Refused, says: "ns/inject:config:1:9: policy",
		},
		"bad mesh": {
			stored: []*corev1.ConfigMap{configMap(injection, "config", good)}, cm: configMap(mesh, "mesh", "trustDomain: [1]"),
			want: Refused, says: "ns/mesh:mesh:1:1: trustDomain",
		},
		"a template that does not compile": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}")}, cm: configMap(injection, "config", "templates: {x: '{{ nope }}'}"),
			want: Refused, says: "nope",
		},
		"valid only with another mesh": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}")}, cm: configMap(injection, "config", needsMesh),
			want: Refused, says: "old trust domain",
		},
		"injection first, then mesh: the first half": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}", "generation", "1")},
			cm:     configMap(injection, "config", needsMesh, "generation", "2"), want: Accepted, silent: true,
		},
		"injection first, then mesh: the second half": {
			stored: []*corev1.ConfigMap{configMap(injection, "config", needsMesh, "generation", "2")},
			old:    configMap(mesh, "mesh", "{}", "generation", "1"), cm: configMap(mesh, "mesh", newMesh, "generation", "2"), want: Accepted, silent: true,
		},
		"mesh first, then injection: the first half": {
			stored: []*corev1.ConfigMap{configMap(injection, "config", good, "generation", "1")},
			cm:     configMap(mesh, "mesh", newMesh, "generation", "2"), want: Accepted, silent: true,
		},
		"mesh first, then injection: the second half": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", newMesh, "generation", "2")},
			old:    configMap(injection, "config", good, "generation", "1"), cm: configMap(injection, "config", needsMesh, "generation", "2"), want: Accepted, silent: true,
		},
		"a second half that is no good": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}", "generation", "2")},
			cm:     configMap(injection, "config", failing, "generation", "2"), want: Refused, says: "no good",
		},
		"a first half that cannot be parsed": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}", "generation", "1")},
			cm:     configMap(injection, "config", bad, "generation", "2"), want: Refused, says: "policy",
		},
		"an edit of half a pair": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}", "generation", "2")},
			old:    configMap(injection, "config", good, "generation", "1"), cm: configMap(injection, "config", needsMesh, "generation", "1"),
			want: Accepted, says: `this one stays of generation "1", and configmap ns/mesh is of "2": what is in force stays`,
		},
		"a key that is no text any more": {
			stored: []*corev1.ConfigMap{configMap(injection, "config", good)},
			old:    configMap(mesh, "mesh", "{}"), cm: configMap(mesh), want: Refused, says: "configmap ns/mesh has no key mesh",
		},
		"no other one":                    {cm: configMap(injection, "config", needsMesh), want: Accepted, says: "configmap ns/mesh does not exist"},
		"no other one, and bad by itself": {cm: configMap(mesh, "mesh", "trustDomain: [1]"), want: Refused, says: "ns/mesh:mesh:1:1: trustDomain"},
		"a classic mesh, alone":           {cm: configMap(mesh, "mesh", "mixerCheckServer: x\ndefaultConfig: {zipkinAddress: z}\n"), want: Accepted, says: "does not exist"},
		"the other one cannot be read": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "{}")}, readErr: errors.New("api away"),
			cm: configMap(injection, "config", needsMesh), want: Accepted, says: "configmap ns/mesh cannot be read: api away",
		},
		"the other one is wrong by itself": {
			stored: []*corev1.ConfigMap{configMap(mesh, "mesh", "trustDomain: [1]")},
			cm:     configMap(injection, "config", good), want: Accepted, says: "configmap ns/mesh is wrong by itself, mend it too",
		},
		"the other one lacks its key": {stored: []*corev1.ConfigMap{configMap(mesh)}, cm: configMap(injection, "config", good), want: Accepted, says: "configmap ns/mesh has no key mesh"},
		"its key is missing":          {cm: configMap(injection, "values", "{}"), want: Refused, says: "configmap ns/inject has no key config"},
		"for another version":         {cm: stamped(configMap(injection, "config", "templates: {x: '{{ newFunction }}'}"), "example.com/injector:2", "c-2"), want: NotJudged, says: "is for example.com/injector:2, and this server is example.com/injector:1"},
		"for this version":            {cm: stamped(configMap(injection, "config", "templates: {x: '{{ newFunction }}'}"), image, "c-1"), want: Refused, says: "newFunction"},
		"the other one is for another version": {
			stored: []*corev1.ConfigMap{stamped(configMap(injection, "config", "templates: {x: '{{ newFunction }}'}"), "example.com/injector:2", "c-2")},
			cm:     configMap(mesh, "mesh", "{}"), want: Accepted, says: "configmap ns/inject is for another version of the injector",
		},
		"a rollback to a chart without stamps": {
			old: stamped(configMap(injection, "config", good), image, "c-1"),
			cm:  stamped(configMap(injection, "config", bad), "", "c-0"), want: NotJudged, says: `it comes from chart "c-0"`,
		},
		"a stamp that somebody removed": {
			old: stamped(configMap(injection, "config", good), image, "c-1"),
			cm:  stamped(configMap(injection, "config", bad), "", "c-1"), want: Refused, says: "policy",
		},
		"only a label changes": {old: configMap(injection, "config", bad), cm: stamped(configMap(injection, "config", bad), "", "c-1"), want: Unchanged, silent: true},
		"somebody else's":      {cm: configMap(types.NamespacedName{Namespace: "ns", Name: "other"}, "config", bad), want: admission.NotApplicable, silent: true},
		"another namespace's":  {cm: configMap(types.NamespacedName{Namespace: "other", Name: "inject"}, "config", bad), want: admission.NotApplicable, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.readErr = tt.readErr
			for _, cm := range tt.stored {
				r.stored[types.NamespacedName{Namespace: cm.Namespace, Name: cm.Name}] = cm
			}
			got := r.ask(t, tt.cm, tt.old)
			said := got.Status.Message + "\n" + strings.Join(got.Warnings, "\n")
			if decision := got.AuditAnnotations["decision"]; decision != string(tt.want) || got.Allowed != (tt.want != Refused) {
				t.Errorf("%s, allowed %v; want %s\n%s", decision, got.Allowed, tt.want, said)
			}
			if !strings.Contains(said, tt.says) || (tt.silent && len(got.Warnings) > 0) {
				t.Errorf("said %q, want %q", said, tt.says)
			}
			if !got.Allowed && (got.Status.Code != http.StatusUnprocessableEntity || got.Status.Reason != metav1.StatusReasonInvalid) {
				t.Errorf("status %+v", got.Status)
			}
		})
	}
}

// noPair is a version of the judge that refuses every pair.
type noPair struct{ Judge }

func (noPair) Try(context.Context, config.Sources) inject.Findings {
	return inject.Findings{Errors: []error{errors.New("stricter than the version before")}}
}

// What is in force may be written again, whatever this version finds wrong with it: a
// return to it is how a bad change is mended.
func TestWhatIsInForceIsLetIn(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Judge = noPair{o.Judge} })
	r.stored[mesh] = configMap(mesh, "mesh", "{}")
	if got := r.ask(t, configMap(injection, "config", good, "values", "{}"), configMap(injection, "config", "{")); !got.Allowed {
		t.Errorf("what is in force: %+v", got.Status)
	}
	if got := r.ask(t, configMap(injection, "config", good+"# changed", "values", "{}"), nil); got.Allowed {
		t.Error("another one was let in")
	}
}

// What client-go and kubectl show of a refusal.
func TestRefusalShowsEveryError(t *testing.T) {
	r := newRig(t, nil)
	r.stored[mesh] = configMap(mesh, "mesh", "{}")
	got := r.ask(t, configMap(injection, "config", "policy: "+secret+"\nneverInjectSelector: 7\ntemplates: {x: '{{ nope }}'}", "values", "{"), nil)
	lines := strings.Split(got.Status.Message, "\n")
	if len(lines) != len(got.Status.Details.Causes)+1 || len(lines) < 5 || !strings.Contains(lines[0], "what is in force has not changed") {
		t.Errorf("message %q, details %+v", lines, got.Status.Details)
	}
	if d := got.Status.Details; d.Kind != "ConfigMap" || d.Name != "inject" {
		t.Errorf("details of %s %s", d.Kind, d.Name)
	}
	fields := map[string]bool{}
	for _, c := range got.Status.Details.Causes {
		fields[c.Field] = true
	}
	if !fields["data.config"] || !fields["data.values"] {
		t.Errorf("fields %v", fields)
	}
	if !strings.Contains(got.Status.Message, secret) {
		t.Error("the writer, who has the file, is not shown the value")
	}
	if ev := r.events[0]; strings.Contains(ev.Message, secret) || !strings.Contains(ev.Message, "ns/inject:config:1:9: policy") {
		t.Errorf("the log says %q", ev.Message)
	}
}

// Whoever reaches the port may pretend to be an API server, and must not be shown what
// is in the ConfigMap that was not sent.
func TestRefusalShowsNothingOfTheOtherConfigMap(t *testing.T) {
	r := newRig(t, nil)
	generation := strings.Repeat("0123456789abcdef", 4)
	for name, tt := range map[string]struct {
		theirs, ours string // generations
		want         bool
	}{
		"no generation":                          {"", "", false},
		"one that can be guessed":                {"1", "1", false},
		"it has none":                            {"", generation, false},
		"one that only who has read it can tell": {generation, generation, true},
	} {
		r.stored[injection] = configMap(injection, "config", strings.ReplaceAll(needsMesh, `"old trust domain"`, `(print "`+secret+`" .Values.key)`),
			"values", `{"key": "`+secret+`"}`, "generation", tt.theirs)
		got := r.ask(t, configMap(mesh, "mesh", "{}", "generation", tt.ours), nil)
		if got.Allowed || !strings.Contains(got.Status.Message, "ns/inject:config") {
			t.Errorf("%s: a bad pair: %+v", name, got)
		}
		if shown := got.Status.Message + strings.Join(got.Warnings, ""); strings.Contains(shown, secret) != tt.want {
			t.Errorf("%s: shown: %s", name, shown)
		}
		if last := r.events[len(r.events)-1]; strings.Contains(last.Message, secret) {
			t.Errorf("%s: logged: %s", name, last.Message)
		}
	}
}

func TestOneConfigMapForBoth(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Mesh = o.Injection })
	if got := r.ask(t, configMap(injection, "config", needsMesh, "mesh", newMesh), nil); !got.Allowed || len(got.Warnings) > 0 {
		t.Errorf("a good one: %+v", got)
	}
	if got := r.ask(t, configMap(injection, "config", needsMesh, "mesh", "{}"), nil); got.Allowed {
		t.Error("a bad pair was let in")
	}
	if got := r.ask(t, configMap(injection, "config", good), nil); got.Allowed || !strings.Contains(got.Status.Message, "has no key mesh") {
		t.Errorf("without the mesh: %+v", got)
	}
}

func TestDeletionAndSubresourcesAreNotJudged(t *testing.T) {
	r := newRig(t, nil)
	request := func(change func(map[string]any)) map[string]any {
		q := map[string]any{
			"uid": "u", "kind": map[string]string{"version": "v1", "kind": "ConfigMap"}, "operation": "CREATE",
			"namespace": "ns", "name": "inject", "object": configMap(injection, "config", "{"),
		}
		change(q)
		return q
	}
	for name, change := range map[string]func(map[string]any){
		"deletion":    func(q map[string]any) { q["operation"], q["object"], q["oldObject"] = "DELETE", nil, q["object"] },
		"subresource": func(q map[string]any) { q["subResource"] = "status" },
		"a Secret":    func(q map[string]any) { q["kind"] = map[string]string{"version": "v1", "kind": "Secret"} },
	} {
		if got := r.post(t, request(change)); !got.Allowed || got.AuditAnnotations["decision"] != string(admission.NotApplicable) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := r.post(t, request(func(q map[string]any) { q["dryRun"] = true })); got.Allowed || !r.events[3].DryRun {
		t.Errorf("a dry run is judged differently: %+v", got)
	}
}

// slow is a judge that waits.
type slow struct {
	Judge
	begin, end chan struct{}
}

func (s slow) TryInjection(ctx context.Context, cm *corev1.ConfigMap) inject.Findings {
	s.begin <- struct{}{}
	select {
	case <-s.end:
		return s.Judge.TryInjection(ctx, cm)
	case <-ctx.Done():
		return inject.Findings{Errors: []error{ctx.Err()}}
	}
}

func (s slow) Try(context.Context, config.Sources) inject.Findings { panic("a fault") }

// Who asks too much yields to others: an API server is answered while a neighbour has
// all places.
func TestOnePeerDoesNotKeepOthersOut(t *testing.T) {
	j := slow{begin: make(chan struct{}, maxRequests), end: make(chan struct{})}
	r := newRig(t, func(o *Options) {
		j.Judge, o.Judge, o.Observe = o.Judge, j, func(admission.Event) {}
		o.Peer = func(r *http.Request) (name, address string) { return r.Header.Get("Peer"), "" }
	})
	ask := func(peer string) (status int, body string) {
		call := newCall(t, map[string]any{
			"uid": "u", "kind": map[string]string{"version": "v1", "kind": "ConfigMap"}, "operation": "CREATE",
			"namespace": "ns", "name": "inject", "object": configMap(injection, "config", "{"),
		})
		call.Header.Set("Peer", peer)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, call)
		return w.Code, w.Body.String()
	}
	statuses := make(chan int, maxRequests)
	for range maxRequests {
		go func() {
			status, _ := ask("neighbour")
			statuses <- status
		}()
	}
	<-j.begin // one at a time
	answer := make(chan string, 1)
	go func() {
		_, body := ask("API server")
		answer <- body
	}()
	if status := <-statuses; status != http.StatusTooManyRequests {
		t.Errorf("the neighbour's got %d, want one turned away", status)
	}
	if len(j.begin) > 0 {
		t.Error("two were judged at one time")
	}
	close(j.end)
	if body := <-answer; !strings.Contains(body, `"allowed":false`) {
		t.Errorf("the API server was answered %s", body)
	}
}

// A call ends with its caller's time: what was found by then says nothing.
func TestTimeIsOver(t *testing.T) {
	j := slow{begin: make(chan struct{}, 1)}
	r := newRig(t, func(o *Options) { j.Judge, o.Judge = o.Judge, j })
	call := newCall(t, map[string]any{
		"uid": "u", "kind": map[string]string{"version": "v1", "kind": "ConfigMap"}, "operation": "CREATE", "namespace": "ns", "name": "inject", "object": configMap(injection, "config", good),
	})
	call.URL.RawQuery = "timeout=50ms"
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, call)
	if !strings.Contains(w.Body.String(), `"allowed":true`) || !strings.Contains(w.Body.String(), "there was not enough time") {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
}

func TestPanicRefuses(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Judge = slow{Judge: o.Judge} })
	r.stored[mesh] = configMap(mesh, "mesh", "{}")
	got := r.ask(t, configMap(injection, "config", secret), nil)
	if got.Allowed || !strings.Contains(got.Status.Message, "the sidecar injector failed on this object") || r.events[0].Stack == nil || r.events[0].Error != "panic: a fault" {
		t.Errorf("answer %+v, event %+v", got, r.events)
	}
}

func TestTooLargeIsNotRead(t *testing.T) {
	r := newRig(t, nil)
	call := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(strings.Repeat(" ", maxBody+1)))
	call.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, call)
	if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "no AdmissionReview of a configuration that can be stored is") {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
	// The largest ConfigMap that an API server stores, twice.
	text := strings.Repeat(`    - name: "x"`+"\n", 1<<20/16)
	old := configMap(injection, "config", text)
	if got := r.ask(t, configMap(injection, "config", text+"#"), old); got.Allowed || got.Status.Code != http.StatusUnprocessableEntity {
		t.Errorf("the largest: %+v", got)
	}
}
