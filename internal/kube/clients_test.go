package kube

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// call is what a client sends.
type call struct{ Method, Path, Query, Accept, ContentType, Body string }

// apiServer records calls and answers each in protobuf, as API servers do; a
// watch with one event.
func apiServer(t *testing.T, answer func(r *http.Request) runtime.Object) (*rest.Config, func() []call) {
	t.Helper()
	var mu sync.Mutex
	var calls []call
	info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		calls = append(calls, call{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Accept"), r.Header.Get("Content-Type"), string(body)})
		mu.Unlock()
		obj := answer(r)
		w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
		if status, ok := obj.(*metav1.Status); ok {
			w.WriteHeader(int(status.Code))
		}
		if r.URL.Query().Has("watch") {
			w.Header().Set("Content-Type", runtime.ContentTypeProtobuf+";stream=watch")
			raw, _ := runtime.Encode(scheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion), obj)
			event := &metav1.WatchEvent{Type: string(watch.Added), Object: runtime.RawExtension{Raw: raw}}
			stream := info.StreamSerializer
			_ = scheme.Codecs.EncoderForVersion(stream.Serializer, corev1.SchemeGroupVersion).Encode(event, stream.Framer.NewFrameWriter(w))
			return
		}
		version := corev1.SchemeGroupVersion
		if strings.HasPrefix(r.URL.Path, "/apis/") {
			version = admissionv1.SchemeGroupVersion
		}
		_ = scheme.Codecs.EncoderForVersion(info.Serializer, version).Encode(obj, w)
	}))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, QPS: -1}
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.ContentType = runtime.ContentTypeProtobuf
	return config, func() []call {
		mu.Lock()
		defer mu.Unlock()
		return calls
	}
}

// methods are what both kinds of client have.
type methods[T, L any] interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (T, error)
	Create(ctx context.Context, obj T, opts metav1.CreateOptions) (T, error)
	Update(ctx context.Context, obj T, opts metav1.UpdateOptions) (T, error)
	Patch(ctx context.Context, name string, kind types.PatchType, body []byte, opts metav1.PatchOptions, subresources ...string) (T, error)
	List(ctx context.Context, opts metav1.ListOptions) (L, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

// TestClientsCallAsClientGo makes every call with our client and with client-go's
// typed one, and compares what the API server gets and what the caller gets.
func TestClientsCallAsClientGo(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "ns", Name: "x", ResourceVersion: "7", Labels: map[string]string{"a": "b"}}
	t.Run("secrets", func(t *testing.T) {
		compare(t, &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"k": {0, 1}}}, &corev1.SecretList{Items: []corev1.Secret{{ObjectMeta: meta}}},
			func(ours *Clients, theirs kubernetes.Interface) (a, b methods[*corev1.Secret, *corev1.SecretList]) {
				return ours.Secrets("ns"), theirs.CoreV1().Secrets("ns")
			})
	})
	t.Run("configmaps", func(t *testing.T) {
		compare(t, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"k": "v"}}, &corev1.ConfigMapList{Items: []corev1.ConfigMap{{ObjectMeta: meta}}},
			func(ours *Clients, theirs kubernetes.Interface) (a, b methods[*corev1.ConfigMap, *corev1.ConfigMapList]) {
				return ours.ConfigMaps("ns"), theirs.CoreV1().ConfigMaps("ns")
			})
	})
	t.Run("pods", func(t *testing.T) {
		compare(t, &corev1.Pod{ObjectMeta: meta}, &corev1.PodList{Items: []corev1.Pod{{ObjectMeta: meta}}},
			func(ours *Clients, theirs kubernetes.Interface) (a, b methods[*corev1.Pod, *corev1.PodList]) {
				return ours.Pods("ns"), theirs.CoreV1().Pods("ns")
			})
	})
	meta.Namespace = ""
	t.Run("nodes", func(t *testing.T) {
		compare(t, &corev1.Node{ObjectMeta: meta}, &corev1.NodeList{Items: []corev1.Node{{ObjectMeta: meta}}},
			func(ours *Clients, theirs kubernetes.Interface) (a, b methods[*corev1.Node, *corev1.NodeList]) {
				return ours.Nodes(), theirs.CoreV1().Nodes()
			})
	})
	t.Run("namespaces", func(t *testing.T) {
		compare(t, &corev1.Namespace{ObjectMeta: meta}, &corev1.NamespaceList{Items: []corev1.Namespace{{ObjectMeta: meta}}},
			func(ours *Clients, theirs kubernetes.Interface) (a, b methods[*corev1.Namespace, *corev1.NamespaceList]) {
				return ours.Namespaces(), theirs.CoreV1().Namespaces()
			})
	})
	t.Run("mutatingwebhookconfigurations", func(t *testing.T) {
		config := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: meta, Webhooks: []admissionv1.MutatingWebhook{{Name: "w"}}}
		compare(t, config, &admissionv1.MutatingWebhookConfigurationList{Items: []admissionv1.MutatingWebhookConfiguration{*config}},
			func(ours *Clients, theirs kubernetes.Interface) (a, b methods[*admissionv1.MutatingWebhookConfiguration, *admissionv1.MutatingWebhookConfigurationList]) {
				return ours.MutatingWebhookConfigurations(), theirs.AdmissionregistrationV1().MutatingWebhookConfigurations()
			})
	})
	t.Run("validatingwebhookconfigurations", func(t *testing.T) {
		config := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: meta, Webhooks: []admissionv1.ValidatingWebhook{{Name: "w"}}}
		compare(t, config, &admissionv1.ValidatingWebhookConfigurationList{Items: []admissionv1.ValidatingWebhookConfiguration{*config}},
			func(ours *Clients, theirs kubernetes.Interface) (a, b methods[*admissionv1.ValidatingWebhookConfiguration, *admissionv1.ValidatingWebhookConfigurationList]) {
				return ours.ValidatingWebhookConfigurations(), theirs.AdmissionregistrationV1().ValidatingWebhookConfigurations()
			})
	})
}

func compare[T object, L runtime.Object](t *testing.T, obj T, list L, pick func(*Clients, kubernetes.Interface) (a, b methods[T, L])) {
	config, calls := apiServer(t, func(r *http.Request) runtime.Object {
		if r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, "/x") && !r.URL.Query().Has("watch") {
			return list
		}
		return obj
	})
	clients, err := NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := pick(clients, kubernetes.NewForConfigOrDie(config))
	run := func(c methods[T, L]) (got []any) {
		ctx, seconds := t.Context(), int64(9)
		add := func(result any, err error) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, result)
		}
		result := func(o T, err error) { add(o, err) }
		result(c.Get(ctx, "x", metav1.GetOptions{ResourceVersion: "3"}))
		result(c.Create(ctx, obj, metav1.CreateOptions{DryRun: []string{"All"}, FieldManager: "m"}))
		result(c.Update(ctx, obj, metav1.UpdateOptions{FieldManager: "m"}))
		result(c.Patch(ctx, "x", types.JSONPatchType, []byte("[]"), metav1.PatchOptions{FieldManager: "m"}))
		all, err := c.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=x", TimeoutSeconds: &seconds})
		add(all, err)
		w, err := c.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=x", AllowWatchBookmarks: true})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		add((<-w.ResultChan()).Object, nil)
		return got
	}
	mine := run(ours)
	n := len(calls())
	want := run(theirs)
	if diff := cmp.Diff(want, mine); diff != "" {
		t.Errorf("the caller gets (-client-go +ours):\n%s", diff)
	}
	if n != 6 {
		t.Fatalf("%d calls, want 6", n)
	}
	if diff := cmp.Diff(calls()[n:], calls()[:n]); diff != "" {
		t.Errorf("the API server gets (-client-go +ours):\n%s", diff)
	}
}

// A pod goes as it is, fields that nobody knows included.
func TestCreateJSON(t *testing.T) {
	config, calls := apiServer(t, func(*http.Request) runtime.Object { return &corev1.Pod{} })
	clients, err := NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"spec":{"someday":1}}`
	if err := clients.Pods("ns").CreateJSON(t.Context(), []byte(body), metav1.CreateOptions{DryRun: []string{"All"}, FieldValidation: "Strict"}); err != nil {
		t.Error(err)
	}
	want := call{Method: "POST", Path: "/api/v1/namespaces/ns/pods", Query: "dryRun=All&fieldValidation=Strict", Accept: config.AcceptContentTypes, ContentType: "application/json", Body: body}
	if diff := cmp.Diff([]call{want}, calls()); diff != "" {
		t.Error(diff)
	}
}

func TestClientsTellTheAPIServersErrors(t *testing.T) {
	config, _ := apiServer(t, func(*http.Request) runtime.Object {
		return &metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonConflict, Code: http.StatusConflict}
	})
	clients, err := NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Secrets("ns").Update(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("a conflict comes as %v", err)
	}
}

func TestNewClientsRefusesABadConfig(t *testing.T) {
	for name, config := range map[string]*rest.Config{
		"host":        {Host: "https://a b"},
		"certificate": {Host: "https://api", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("no PEM")}},
	} {
		if _, err := NewClients(config); err == nil || !strings.HasPrefix(err.Error(), "API server") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}
