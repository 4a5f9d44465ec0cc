package inject_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
)

// The injected pod shares memory with the pod received and with what is
// remembered of earlier ones. Whoever writes to what is shared shows here.

// sharingSnapshots are configurations that reach every step.
func sharingSnapshots(t testing.TB) map[string]*inject.Snapshot {
	out := lawSnapshots(t)
	out["current, OpenShift"] = compiled(t, "current.yaml", "", inject.Options{
		Platform: inject.PlatformOpenShift,
		Cluster:  cluster{native: true},
	})
	out["classic, without secret discovery"] = compiled(t, "classic.yaml", "", inject.Options{})
	return out
}

// objects are the pods of one seed: one as users write them, one with every
// field that podgen can think of, and both after an injection.
func objects(t testing.TB, s *inject.Snapshot, seed uint64) [][]byte {
	t.Helper()
	g := newGenerator(seed)
	fresh := [][]byte{g.object(t, g.pod()), random(t, seed)}
	all := slices.Clone(fresh)
	for _, object := range fresh {
		if pod, err := s.InjectDecoded(decoded(t, object), inject.Request{Namespace: "shop"}); err == nil {
			again, err := json.Marshal(pod)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, again)
		}
	}
	return all
}

// random is a pod of podgen's whose annotations let it be injected, and whose
// containers may have the names of injected ones.
func random(t testing.TB, seed uint64) []byte {
	t.Helper()
	g := podgen.New(seed)
	pod := podgen.Typed[corev1.Pod](g)
	pod.Annotations = newGenerator(seed).meta().Annotations
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].SecurityContext != nil && seed%2 == 0 {
			user := int64(1000)
			pod.Spec.Containers[i].SecurityContext.RunAsUser = &user
		}
	}
	object, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func decoded(t testing.TB, object []byte) *corev1.Pod {
	t.Helper()
	pod := new(corev1.Pod)
	if err := kjson.UnmarshalCaseSensitivePreserveInts(object, pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

func TestThePodReceivedIsNotChanged(t *testing.T) {
	for name, s := range sharingSnapshots(t) {
		t.Run(name, func(t *testing.T) {
			done := 0
			for seed := range uint64(rounds(t) / 4) {
				for i, object := range objects(t, s, seed) {
					pod := decoded(t, object)
					injected, err := s.InjectDecoded(pod, inject.Request{Namespace: "shop", Path: "/inject/cluster/c/net/n"})
					if err == nil {
						done++
					}
					if !reflect.DeepEqual(pod, decoded(t, object)) {
						t.Fatalf("seed %d, pod %d: the pod received has been changed:\n%s", seed, i, object)
					}
					if injected == pod {
						t.Fatal("the pod received is the result")
					}
				}
			}
			if done < rounds(t)/2 {
				t.Errorf("only %d pods have been injected", done)
			}
		})
	}
}

// Nothing that happens to a pod shows in what others get: after hundreds of other
// pods each is injected and uninjected as the first time, also at the same time
// as others; run with -race.
func TestOnePodDoesNotShowInAnother(t *testing.T) {
	for name, s := range sharingSnapshots(t) {
		t.Run(name, func(t *testing.T) {
			var all, want [][]byte
			run := func(object []byte) []byte {
				res := s.Inject(t.Context(), inject.Request{Object: object, Namespace: "shop"})
				undo, err := s.Uninject(t.Context(), object)
				return bytes.Join([][]byte{res.Patch, undo, []byte(res.Decision.Message), fmtError(err)}, []byte("\n"))
			}
			for seed := range uint64(rounds(t) / 20) {
				for _, object := range objects(t, s, seed) {
					all = append(all, object)
					want = append(want, run(object))
				}
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i, object := range all {
						if got := run(object); !bytes.Equal(got, want[i]) {
							t.Errorf("pod %d:\n%s\ngives at first\n%s\nand later\n%s", i, object, want[i], got)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func fmtError(err error) []byte {
	if err == nil {
		return nil
	}
	return []byte(err.Error())
}

// Templates of all kinds, also with directives, leave the pod received alone.
func TestGeneratedTemplatesLeaveThePodReceivedAlone(t *testing.T) {
	const base = "spec: {initContainers: [{name: istio-init, args: [-u, \"1337\"]}], containers: [{name: istio-proxy, image: p, env: [{name: A}], securityContext: {runAsUser: 1337}}]}\n"
	done := 0
	for seed := range uint64(rounds(t) / 2) {
		g := podgen.New(seed)
		g.Directives *= int(seed % 2)
		overlay, err := json.Marshal(g.Overlay())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := merge.ParseOverlay(context.Background(), overlay); err != nil {
			continue
		}
		s := withTemplates(t, map[string]string{"a": base, "b": string(overlay)})
		for _, object := range objects(t, s, seed) {
			pod := decoded(t, object)
			if _, err := s.InjectDecoded(pod, inject.Request{Namespace: "shop"}); err == nil {
				done++
			}
			if !reflect.DeepEqual(pod, decoded(t, object)) {
				t.Fatalf("seed %d: the pod received has been changed:\n%s\noverlay %s", seed, object, overlay)
			}
		}
	}
	if done < rounds(t)/2 {
		t.Errorf("only %d pods have been injected", done)
	}
}

// withTemplates is a snapshot of the current dialect that uses all the templates.
func withTemplates(t testing.TB, templates map[string]string) *inject.Snapshot {
	t.Helper()
	text, err := json.Marshal(map[string]any{"policy": "enabled", "templates": templates, "defaultTemplates": slices.Sorted(maps.Keys(templates))})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(config.Sources{Inject: config.Source{Name: "config", Data: text}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := inject.Compile(cfg, inject.Options{Cluster: cluster{native: true}, OnDefect: defect(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
