package podschema_test

import (
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

func TestPodFields(t *testing.T) {
	spec := podschema.Pod().Field("spec").Type
	for _, tc := range []struct {
		name                      string
		kind                      podschema.Kind
		pointer, omitEmpty, merge bool
		mergeKey                  string
		element                   podschema.Kind
	}{
		{"containers", podschema.List, false, false, true, "name", podschema.Struct},
		{"tolerations", podschema.List, false, true, false, "", podschema.Struct},
		{"nodeSelector", podschema.Map, false, true, false, "", podschema.String},
		{"hostNetwork", podschema.Bool, false, true, false, "", 0},
		{"securityContext", podschema.Struct, true, true, false, "", 0},
		{"terminationGracePeriodSeconds", podschema.Int, true, true, false, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := spec.Field(tc.name)
			if f == nil {
				t.Fatal("not found")
			}
			if f.Type.Kind != tc.kind || f.Pointer != tc.pointer || f.OmitEmpty != tc.omitEmpty || f.Merge != tc.merge || f.MergeKey != tc.mergeKey {
				t.Errorf("got %+v", *f)
			}
			if f.Type.Elem != nil && f.Type.Elem.Kind != tc.element {
				t.Errorf("element kind %d, want %d", f.Type.Elem.Kind, tc.element)
			}
		})
	}
	if f := spec.Field("Containers"); f != nil {
		t.Error("names are matched without regard to case")
	}
}

func TestEmbeddedFieldsAreFlat(t *testing.T) {
	volume := podschema.Pod().Field("spec").Type.Field("volumes").Type.Elem
	f := volume.Field("emptyDir")
	if f == nil || len(f.Index) != 2 {
		t.Fatalf("emptyDir: %+v", f)
	}
	v := corev1.Volume{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: "Memory"}}}
	got := f.Of(reflect.ValueOf(v)).Interface().(*corev1.EmptyDirVolumeSource)
	if got.Medium != "Memory" {
		t.Errorf("got %+v", got)
	}
}

// Every field must carry the strategy that the reference library reads from the
// same tags, for every type within a pod.
func TestStrategiesAsTheLibraryReadsThem(t *testing.T) {
	seen := map[*podschema.Type]bool{}
	lists := 0
	var walk func(*podschema.Type)
	walk = func(d *podschema.Type) {
		if d == nil || seen[d] {
			return
		}
		seen[d] = true
		for i := range d.Fields {
			f := &d.Fields[i]
			if f.Type.Kind == podschema.List {
				meta := strategicpatch.PatchMetaFromStruct{T: d.Go}
				_, want, err := meta.LookupPatchMetadataForSlice(f.Name)
				if err != nil {
					t.Fatalf("%s.%s: %v", d.Go, f.Name, err)
				}
				if want.GetPatchMergeKey() != f.MergeKey || slices.Contains(want.GetPatchStrategies(), "merge") != f.Merge {
					t.Errorf("%s.%s: %v %q, got merge %t %q", d.Go, f.Name, want.GetPatchStrategies(), want.GetPatchMergeKey(), f.Merge, f.MergeKey)
				}
				if f.Merge && f.Type.Elem.Kind == podschema.Struct && f.Key() == nil {
					t.Errorf("%s.%s: no key field", d.Go, f.Name)
				}
				lists++
			}
			walk(f.Type)
		}
		walk(d.Elem)
	}
	walk(podschema.Pod())
	if lists < 60 {
		t.Errorf("only %d lists looked at", lists)
	}
}

// A cursor reads what Of reads, in any order.
func TestCursor(t *testing.T) {
	volume := corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{}}, PeriodSeconds: 3}
	for _, v := range []reflect.Value{reflect.ValueOf(volume), reflect.ValueOf(probe), reflect.ValueOf(corev1.Pod{})} {
		described := podschema.For(v.Type())
		c := podschema.Over(v)
		for i := range described.Fields {
			for _, f := range []*podschema.Field{&described.Fields[i], &described.Fields[len(described.Fields)-1-i]} {
				if got, want := c.Value(f).Interface(), f.Of(v).Interface(); !reflect.DeepEqual(got, want) {
					t.Errorf("%s.%s: got %v, want %v", v.Type(), f.Name, got, want)
				}
			}
		}
	}
}
