package merge_test

import (
	"context"
	"reflect"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
)

// generated returns an overlay of every second seed with directives; nil for one
// that is refused.
func generated(t *testing.T, seed uint64) *merge.Overlay {
	t.Helper()
	g := podgen.New(seed)
	g.Directives *= int(seed % 2)
	text := mustYAML(t, g.Overlay())
	o, err := merge.ParseOverlay(context.Background(), text)
	if err != nil {
		return nil
	}
	return o
}

// frozen is a pod, and what it was.
type frozen struct{ pod, was *corev1.Pod }

func freeze(pod *corev1.Pod) frozen { return frozen{pod, pod.DeepCopy()} }

// Merging writes neither to what the pod refers to nor to what the overlay has
// given to other pods: of a chain of merges every pod stays what it was, also
// when a merge fails halfway.
func TestWhatIsSharedIsNotWrittenTo(t *testing.T) {
	merged, rounds := 0, podgen.Rounds(300)
	for seed := range uint64(rounds) {
		overlays := []*merge.Overlay{generated(t, 3*seed), generated(t, 3*seed+1), generated(t, 3*seed+2)}
		pods := []frozen{freeze(roundTrip(t, podgen.Typed[corev1.Pod](podgen.New(seed)))), freeze(new(corev1.Pod))}
		for i := range 12 {
			o := overlays[i%len(overlays)]
			if o == nil {
				continue
			}
			if out, err := strategic(pods[i*7%len(pods)].pod, o); err == nil {
				pods = append(pods, freeze(out))
				merged++
			}
		}
		for i, p := range pods {
			if !reflect.DeepEqual(p.pod, p.was) {
				t.Fatalf("seed %d: pod %d of %d has changed", seed, i, len(pods))
			}
		}
	}
	if merged < 5*rounds {
		t.Errorf("only %d merges", merged)
	}
}

// What is merged onto a container does not show in the one it was merged onto.
func TestContainersShareWithoutWriting(t *testing.T) {
	for seed := range uint64(podgen.Rounds(200)) {
		g := podgen.New(seed)
		base, overlay := podgen.Typed[corev1.Container](g), podgen.Typed[corev1.Container](g)
		wasBase, wasOverlay := base.DeepCopy(), overlay.DeepCopy()
		if _, err := container(base, overlay); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(base, wasBase) || !reflect.DeepEqual(overlay, wasOverlay) {
			t.Fatalf("seed %d: a container given has changed", seed)
		}
	}
}

// Who appends to a list of a pod must not write into the overlay's memory: what
// an overlay gives has no room.
func TestListsOfOverlaysHaveNoRoom(t *testing.T) {
	lists, rounds := 0, podgen.Rounds(200)
	for seed := range uint64(rounds) {
		o := generated(t, seed)
		if o == nil {
			continue
		}
		first, err := strategic(new(corev1.Pod), o)
		if err != nil {
			continue
		}
		lists += withoutRoom(t, reflect.ValueOf(first).Elem(), "pod")
	}
	if lists < 5*rounds {
		t.Errorf("only %d lists", lists)
	}
}

// withoutRoom counts the lists beneath a value, none of which may have room.
func withoutRoom(t *testing.T, v reflect.Value, path string) (lists int) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return withoutRoom(t, v.Elem(), path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			lists += withoutRoom(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return 0 // text of managed fields, which nobody adds to
		}
		if v.Cap() > v.Len() {
			t.Errorf("%s has room for %d more", path, v.Cap()-v.Len())
		}
		lists++
		for i := range v.Len() {
			lists += withoutRoom(t, v.Index(i), path+"[]")
		}
	}
	return lists
}

// One overlay serves many goroutines; run with -race.
func TestOverlayIsShared(t *testing.T) {
	base := pod(t, `{metadata: {labels: {a: b}}, spec: {securityContext: {fsGroup: 1}, containers: [{name: app, resources: {limits: {cpu: 1}}}]}}`)
	var overlays []*merge.Overlay
	for _, text := range []string{
		`{metadata: {annotations: {a: b}}, spec: {containers: [{name: p, env: [{name: E, value: v}], securityContext: {runAsUser: 1}, resources: {limits: {cpu: 1}}}]}}`,
		`{metadata: {annotations: {c: d}, labels: {a: null}}, spec: {securityContext: {fsGroup: 2}, containers: [{name: p, env: [{name: F}], securityContext: {runAsGroup: 2}, resources: {limits: {memory: 1}}}, {name: app, resources: {limits: {cpu: 2}}}]}}`,
	} {
		o, err := merge.ParseOverlay(context.Background(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		overlays = append(overlays, o)
	}
	run := func() string {
		out := base
		for _, o := range overlays {
			var err error
			if out, err = strategic(out, o); err != nil {
				t.Error(err)
			}
		}
		return string(mustJSON(t, out))
	}
	want := run()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if got := run(); got != want {
					t.Errorf("got %s\nwant %s", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
