package engine

import (
	"context"
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

// stages is one pod on its way through the engine, by the engine's own packages.
type stages struct {
	snapshot *inject.Snapshot
	raw      []byte
	pod      *corev1.Pod
	rules    *decide.Rules
	template *render.Template
	data     *render.Data
	text     []byte
	overlay  *merge.Overlay
	result   inject.Result
}

// BenchmarkStage is each stage of a request in the current dialect, alone. What
// the engine spares itself between the stages, it spares only in
// BenchmarkRequest.
func BenchmarkStage(b *testing.B) {
	for _, shape := range shapes(b) {
		s := prepareStages(b, shape)
		for _, stage := range []struct {
			name string
			do   func() error
		}{
			// There is nothing to take out of the pod: it is decoded, and that is all.
			{"decode", func() error { _, err := s.snapshot.Uninject(b.Context(), s.raw); return err }},
			{"decide", func() error {
				decide.Pod(s.rules, decide.Input{Namespace: "default", Labels: s.pod.Labels, Annotations: s.pod.Annotations})
				return nil
			}},
			{"render", func() error { _, err := s.template.Execute(s.data); return err }},
			{"parse", func() error { _, err := merge.ParseOverlay(context.Background(), s.text); return err }},
			{"merge", func() error { return s.overlay.Apply((&podmodel.Pod{Pod: s.pod}).Copy()) }},
			{"probes", func() error {
				pod := proxy.CopyForWrite(s.result.Pod)
				proxy.Probes{Rewrite: true, StatusPort: 15020}.Apply(pod, false)
				return nil
			}},
			{"diff", func() error {
				_, err := patch.Diff(context.Background(), &podmodel.Pod{Pod: s.pod}, &podmodel.Pod{Pod: s.result.Pod})
				return err
			}},
			{"encode", func() error {
				_, err := json.Marshal(map[string]any{"response": map[string]any{"allowed": true, "patch": s.result.Patch}})
				return err
			}},
		} {
			b.Run(shape.Name+"/"+stage.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := stage.do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func prepareStages(b *testing.B, shape pods.Shape) *stages {
	b.Helper()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	s := &stages{pod: new(corev1.Pod)}
	snapshot, err := setups(b)[0].Snapshot()
	must(err)
	s.snapshot = snapshot
	reviews, err := pods.NewReviews(shape.Pod)
	must(err)
	s.raw, err = reviews.Pod(1, 1)
	must(err)
	must(kjson.UnmarshalCaseSensitivePreserveInts(s.raw, s.pod))
	cfg := snapshot.Config()
	s.rules, err = decide.NewRules(decide.Settings{Enabled: true, Never: cfg.NeverInject, Always: cfg.AlwaysInject})
	must(err)
	s.data = &render.Data{
		TypeMeta:       metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"},
		DeploymentMeta: &metav1.ObjectMeta{Name: "shop", Namespace: "default"},
		ObjectMeta:     &s.pod.ObjectMeta, Spec: &s.pod.Spec,
		ProxyConfig: cfg.Mesh.GetDefaultConfig(), MeshConfig: cfg.Mesh, Values: cfg.Values,
		Revision: "default", NativeSidecars: true, ProxyImage: "registry.example.com/proxy:1",
		ProxyInitImage: "registry.example.com/proxy:1", ProxyUID: 1337, ProxyGID: 1337, InboundTrafficPolicyMode: "passthrough",
	}
	name := cfg.DefaultTemplates[0]
	s.template, err = render.Current(nil).Compile(name, cfg.Templates[name], config.Origin{}, render.Limits{}, render.Constants{
		Data: s.data, Fields: []string{"ProxyConfig", "MeshConfig", "Values", "Revision", "InboundTrafficPolicyMode", "CompliancePolicy", "ProxyUID", "ProxyGID"},
	})
	must(err)
	text, err := s.template.Execute(s.data)
	must(err)
	s.text = append([]byte(nil), text...)
	s.overlay, err = merge.ParseOverlay(context.Background(), s.text)
	must(err)
	s.result = snapshot.Inject(b.Context(), inject.Request{Object: s.raw, Namespace: "default"})
	if s.result.Pod == nil {
		b.Fatal(s.result.Decision.Message)
	}
	return s
}
