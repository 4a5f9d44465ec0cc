package source

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

func TestTryServesNothing(t *testing.T) {
	v := newVolume(t)
	s := follow(t, v.files())
	before := s.State()
	docs := func(text string) config.Sources {
		return FromConfigMaps(
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "inject"}, Data: map[string]string{"config": text}},
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "mesh"}, Data: map[string]string{"mesh": "{}"}},
		)
	}
	if f := s.Try(t.Context(), docs(set(7)["config"])); f.Err() != nil {
		t.Errorf("a good one: %v", f.Err())
	}
	f := s.Try(t.Context(), docs("policy: sometimes\ntemplates: {sidecar: '{{ nope }}'}\n"))
	if len(f.Errors) != 2 || !strings.HasPrefix(f.Errors[0].Error(), "ns/inject:config:1:9: policy") {
		t.Errorf("a bad one: %v", f.Errors)
	}
	if after := s.State(); after != before {
		t.Errorf("in force is %+v, was %+v", after, before)
	}
}

func TestTryWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Source{compiler: newCompiler(inject.Options{})}
		leave, err := enter(t.Context(), s.compiler.turn)
		must(t, err)
		for name, want := range map[string]time.Duration{"compiling": time.Second, "trying": time.Minute} {
			ctx, cancel := context.WithTimeout(t.Context(), want)
			begin := time.Now()
			f := s.Try(ctx, config.Sources{})
			if took := time.Since(begin); took != want || len(f.Errors) != 1 || !errors.Is(f.Err(), context.DeadlineExceeded) {
				t.Errorf("%s: %v after %s", name, f.Errors, took)
			}
			cancel()
		}
		leave()
		if f := s.Try(t.Context(), config.Sources{Inject: config.Source{Name: "x", Data: []byte(oneTemplate("spec: {}"))}}); f.Err() != nil {
			t.Errorf("when it is its turn: %v", f.Err())
		}
	})
}

// A loading that somebody else waits for goes before the tries that wait: it waits for
// the one that has begun.
func TestLoadingGoesBeforeTries(t *testing.T) {
	c := newCompiler(inject.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	leave, err := enter(t.Context(), c.tries)
	must(t, err)
	defer leave()
	s := &Source{compiler: c}
	if f := s.Try(ctx, config.Sources{}); !errors.Is(f.Err(), context.Canceled) {
		t.Errorf("a second try began: %v", f.Errors)
	}
	if _, f, err := c.load(t.Context(), config.Sources{Inject: config.Source{Name: "x", Data: []byte(oneTemplate("spec: {}"))}}); err != nil || f.Err() != nil {
		t.Errorf("a loading: %v, %v", err, f.Err())
	}
}

func TestSlowConfigurationIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a loading may")
	}
	slow := bombs()["many calls of much"]
	s := &Source{compiler: newCompiler(inject.Options{})}
	f := s.Try(t.Context(), config.Sources{Inject: config.Source{Name: "x", Data: []byte(slow.config)}})
	if len(f.Errors) != 1 || !errors.Is(f.Err(), errTooLong) || errors.Is(f.Err(), context.DeadlineExceeded) {
		t.Errorf("got %v", f.Errors)
	}
}

func TestFromConfigMaps(t *testing.T) {
	got := FromConfigMaps(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}, Data: map[string]string{"config": "c", "values": "v", "mesh": "not here"},
	}, nil)
	if got.Inject.Name != "a/b:config" || string(got.Inject.Data) != "c" || got.Values.Name != "a/b:values" || string(got.Values.Data) != "v" || got.Mesh.Name != "" || len(got.Mesh.Data) != 0 {
		t.Errorf("got %+v", got)
	}
}

// What one ConfigMap says by itself is judged without the other one.
func TestTryAlone(t *testing.T) {
	s := &Source{compiler: newCompiler(inject.Options{})}
	of := func(key, text string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "x"}, Data: map[string]string{key: text}}
	}
	failing := oneTemplate(`{{ fail "for want of a mesh configuration" }}`)
	for name, tt := range map[string]struct {
		findings inject.Findings
		want     string
	}{
		"a template that cannot be compiled":       {s.TryInjection(t.Context(), of("config", oneTemplate("{{ nope }}"))), "nope"},
		"a template that fails":                    {s.TryInjection(t.Context(), of("config", failing)), ""},
		"the same, tried":                          {s.Try(t.Context(), FromConfigMaps(of("config", failing), of("mesh", "{}"))), "for want of a mesh configuration"},
		"a mesh configuration":                     {s.TryMesh(t.Context(), of("mesh", "trustDomain: a.example")), ""},
		"one of the classic dialect":               {s.TryMesh(t.Context(), of("mesh", "mixerCheckServer: x\ndefaultConfig: {zipkinAddress: z}")), ""},
		"a field of the wrong type":                {s.TryMesh(t.Context(), of("mesh", "trustDomain: [1]")), "ns/x:mesh:1:1: trustDomain"},
		"two errors of a mesh configuration, each": {s.TryMesh(t.Context(), of("mesh", "trustDomain: [1]\nrootNamespace: {}")), "rootNamespace"},
	} {
		err := tt.findings.Err()
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestCheckKeys(t *testing.T) {
	of := func(keys ...string) *corev1.ConfigMap {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "x"}, Data: map[string]string{}, BinaryData: map[string][]byte{"mesh": nil}}
		for _, k := range keys {
			cm.Data[k] = ""
		}
		return cm
	}
	for name, tt := range map[string]struct {
		injection, mesh *corev1.ConfigMap
		want            string
	}{
		"all there":                    {of("config", "mesh"), of("config", "mesh"), ""},
		"none":                         {of(), of(), "configmap ns/x has no key config\nconfigmap ns/x has no key mesh"},
		"the mesh, which is no text":   {nil, of("config"), "configmap ns/x has no key mesh"},
		"values are not needed":        {of("config"), nil, ""},
		"what is not there lacks none": {nil, nil, ""},
	} {
		got := ""
		if err := CheckKeys(tt.injection, tt.mesh); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
