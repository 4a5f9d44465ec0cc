package merge_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// ordinary is the schema of a pod in which the fields that podgen makes up are
// fields like others, of no special strategy.
type ordinary struct{ strategicpatch.LookupPatchMeta }

func (o ordinary) LookupPatchMetadataForStruct(key string) (strategicpatch.LookupPatchMeta, strategicpatch.PatchMeta, error) {
	if podgen.IsUnknown(key) {
		return o, strategicpatch.PatchMeta{}, nil
	}
	below, meta, err := o.LookupPatchMeta.LookupPatchMetadataForStruct(key)
	return ordinary{below}, meta, err
}

func (o ordinary) LookupPatchMetadataForSlice(key string) (strategicpatch.LookupPatchMeta, strategicpatch.PatchMeta, error) {
	if podgen.IsUnknown(key) {
		return o, strategicpatch.PatchMeta{}, nil
	}
	below, meta, err := o.LookupPatchMeta.LookupPatchMetadataForSlice(key)
	return ordinary{below}, meta, err
}

// byLibraryWithUnknown merges JSON as the library does.
func byLibraryWithUnknown(t *testing.T, pod, overlay []byte) ([]byte, error) {
	t.Helper()
	schema, err := strategicpatch.NewPatchMetaFromStruct(corev1.Pod{})
	if err != nil {
		t.Fatal(err)
	}
	var original, patch map[string]any
	if err := json.Unmarshal(pod, &original); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(overlay, &patch); err != nil {
		t.Fatal(err)
	}
	merged, err := strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(original, patch, ordinary{schema})
	if err != nil {
		return nil, err
	}
	return mustJSON(t, plain(map[string]any(merged))), nil
}

func decodePod(t *testing.T, data []byte) *podmodel.Pod {
	t.Helper()
	pod, err := podmodel.Decode(context.Background(), data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return pod
}

// flat writes the fields of a tree below their addresses.
func flat(f *podmodel.Fields) string {
	data, _ := json.MarshalIndent(f, "", " ")
	return string(data)
}

// withUnknown returns the JSON of a random pod and overlay with unknown fields.
func withUnknown(t *testing.T, seed uint64) (pod, overlay []byte) {
	t.Helper()
	g := podgen.New(seed)
	if seed%2 == 0 {
		g.Directives = 0
	}
	var data map[string]any
	if err := json.Unmarshal(mustJSON(t, podgen.Typed[corev1.Pod](g)), &data); err != nil {
		t.Fatal(err)
	}
	g.AddUnknown(data, podschema.Pod(), false)
	patch := g.Overlay()
	g.AddUnknown(patch, podschema.Pod(), true)
	return mustJSON(t, data), mustJSON(t, patch)
}

// Fields that our types do not have merge as ordinary fields do, at every level
// and in every list.
func TestUnknownFieldsMergeLikeOthers(t *testing.T) {
	rounds := podgen.Rounds(600)
	agreed, fields := 0, 0
	for seed := range uint64(rounds) {
		podText, overlayText := withUnknown(t, seed)
		o, err := merge.ParseOverlay(context.Background(), overlayText)
		if err != nil {
			continue // as TestStrategicLikeTheLibrary compares
		}
		before := decodePod(t, podText)
		got := before.Copy()
		err = o.Apply(got)
		want, libraryErr := byLibraryWithUnknown(t, podText, overlayText)
		if err != nil || libraryErr != nil {
			if (err == nil) != (libraryErr == nil) && !tolerated(libraryErr) {
				t.Fatalf("seed %d: error %v, the library's %v\noverlay %s", seed, err, libraryErr, overlayText)
			}
			continue
		}
		agreed++
		expected := decodePod(t, want)
		if d := cmp.Diff(string(mustYAML(t, expected.Pod)), string(mustYAML(t, got.Pod))); d != "" {
			t.Fatalf("seed %d: (-library +ours)\n%s\noverlay %s\npod %s", seed, d, overlayText, podText)
		}
		if !podmodel.Equal(expected.Unknown, got.Unknown) {
			t.Fatalf("seed %d: (-library +ours)\n%s\noverlay %s\npod %s", seed, cmp.Diff(flat(expected.Unknown), flat(got.Unknown)), overlayText, podText)
		}
		if !podmodel.Equal(before.Unknown, decodePod(t, podText).Unknown) {
			t.Fatalf("seed %d: the unknown fields of the pod given were changed", seed)
		}
		if !got.Unknown.Empty() && !podmodel.Equal(before.Unknown, got.Unknown) {
			fields++
		}
	}
	if agreed < rounds/2 || fields < rounds/3 {
		t.Errorf("only %d of %d cases could be compared, %d with other unknown fields than before", agreed, rounds, fields)
	}
}

// The faults that an address by less than the full identity would make.
func TestUnknownFieldsAreFoundByFullIdentity(t *testing.T) {
	for _, tc := range []struct{ name, pod, overlay, want string }{
		{
			"two protocols of a new port",
			`{"spec":{"containers":[{"name":"a"}]}}`,
			`spec: {containers: [{name: p, ports: [{containerPort: 53, protocol: TCP, newField: tcp}, {containerPort: 53, protocol: UDP}]}]}`,
			`{"spec":{"containers":[{"name":"p","ports":[{"containerPort":53,"protocol":"TCP","newField":"tcp"},{"containerPort":53,"protocol":"UDP"}]},{"name":"a"}]}}`,
		},
		{
			"two variables of one name",
			`{"spec":{"containers":[{"name":"a"}]}}`,
			`spec: {containers: [{name: p, env: [{name: A, newField: x}, {name: A, value: "2"}]}]}`,
			`{"spec":{"containers":[{"name":"p","env":[{"name":"A","newField":"x"},{"name":"A","value":"2"}]},{"name":"a"}]}}`,
		},
		{
			"an object that both have",
			`{"spec":{"newObj":{"b":{"c":1,"d":2}}}}`,
			`spec: {newObj: {a: 1, b: {d: 3}}}`,
			`{"spec":{"newObj":{"a":1,"b":{"c":1,"d":3}}}}`,
		},
		{
			"a port that takes over another protocol keeps its fields",
			`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"TCP","newField":1}]}]}}`,
			`spec: {containers: [{name: a, ports: [{containerPort: 53, protocol: UDP}]}]}`,
			`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"UDP","newField":1}]}]}}`,
		},
		{
			"below an object that has no known field",
			`{"spec":{"containers":[{"name":"a"}]}}`,
			`spec: {securityContext: {newField: 1}, containers: [{name: a, resources: {newField: 2}}]}`,
			`{"spec":{"securityContext":{"newField":1},"containers":[{"name":"a","resources":{"newField":2}}]}}`,
		},
		{
			"retained and not",
			`{"newTop":1,"spec":{"volumes":[{"name":"v","newA":1,"newB":2,"emptyDir":{"newC":3}}]}}`,
			`spec: {volumes: [{name: v, $retainKeys: [name, newB], newB: 4}]}`,
			`{"newTop":1,"spec":{"volumes":[{"name":"v","newB":4}]}}`,
		},
		{
			"null, replace and delete",
			`{"spec":{"newA":1,"newB":{"x":1},"newC":{"x":1},"securityContext":{"newD":1}}}`,
			`spec: {newA: null, newB: {$patch: replace, s: 2}, newC: {$patch: delete}, securityContext: {$patch: replace, newE: 1}, newF: {$patch: delete}, newG: [{$patch: delete}, {z: null}]}`,
			`{"spec":{"newB":{"s":2},"newC":{},"securityContext":{"newE":1},"newG":[{}]}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := merge.ParseOverlay(context.Background(), []byte(tc.overlay))
			if err != nil {
				t.Fatal(err)
			}
			got, want := decodePod(t, []byte(tc.pod)), decodePod(t, []byte(tc.want))
			if err := o.Apply(got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(mustYAML(t, want.Pod)), string(mustYAML(t, got.Pod))); d != "" {
				t.Error(d)
			}
			if !podmodel.Equal(want.Unknown, got.Unknown) {
				t.Error(cmp.Diff(flat(want.Unknown), flat(got.Unknown)))
			}
		})
	}
}

// What the user has declared goes before the template, unknown fields included.
func TestContainerMergesUnknownFields(t *testing.T) {
	for seed := range uint64(300) {
		g := podgen.New(seed)
		var containers [2]podmodel.Container
		var texts [2][]byte
		for i := range containers {
			var data map[string]any
			if err := json.Unmarshal(mustJSON(t, podgen.Typed[corev1.Container](g)), &data); err != nil {
				t.Fatal(err)
			}
			g.AddUnknown(data, podschema.Container(), false)
			data["name"] = "istio-proxy"
			texts[i] = mustJSON(t, data)
			if err := json.Unmarshal(texts[i], &containers[i]); err != nil {
				t.Fatal(err)
			}
		}
		// As the user's container is written down: without what is empty.
		pod := `{"spec":{"containers":[` + string(texts[0]) + `]}}`
		overlay := `{"spec":{"containers":[` + string(mustJSON(t, containers[1])) + `]}}`
		want, err := byLibraryWithUnknown(t, []byte(pod), []byte(overlay))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, err := merge.Container(context.Background(), containers[0], containers[1])
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		expected := decodePod(t, want)
		if d := cmp.Diff(string(mustYAML(t, expected.Spec.Containers[0])), string(mustYAML(t, got.Container))); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
		if unknown := expected.ContainersUnknown(podmodel.AppContainers).Below("istio-proxy"); !podmodel.Equal(unknown, got.Unknown) {
			t.Fatalf("seed %d: %s", seed, cmp.Diff(flat(unknown), flat(got.Unknown)))
		}
	}
}
