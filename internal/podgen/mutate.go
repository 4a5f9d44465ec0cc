package podgen

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Mutate changes a pod in place, at random and at any depth: fields are cleared,
// set and changed; items of lists are removed, added, changed and reordered;
// containers become init containers and the reverse.
func (g *Gen) Mutate(pod *corev1.Pod) {
	if g.chance(30) {
		g.moveContainer(&pod.Spec.Containers, &pod.Spec.InitContainers)
	}
	if g.chance(30) {
		g.moveContainer(&pod.Spec.InitContainers, &pod.Spec.Containers)
	}
	managed := pod.ManagedFields
	g.mutate(reflect.ValueOf(pod).Elem(), podschema.Pod(), 0)
	pod.ManagedFields = managed
}

func (g *Gen) moveContainer(from, to *[]corev1.Container) {
	if len(*from) == 0 {
		return
	}
	i, j := g.Rand.IntN(len(*from)), g.Rand.IntN(len(*to)+1)
	c := (*from)[i]
	*from = append(append([]corev1.Container(nil), (*from)[:i]...), (*from)[i+1:]...)
	*to = append(append(append([]corev1.Container(nil), (*to)[:j]...), c), (*to)[j:]...)
}

func (g *Gen) mutate(v reflect.Value, t *podschema.Type, depth int) {
	for i := range t.Fields {
		f := &t.Fields[i]
		if depth > 0 && !g.chance(20) {
			continue
		}
		dst := f.Of(v)
		if f.Pointer {
			if dst.IsNil() || g.chance(20) {
				g.reset(dst, f)
				continue
			}
			dst = dst.Elem()
		}
		switch {
		case f.Type.Kind == podschema.Struct:
			g.mutate(dst, f.Type, depth+1)
		case f.Type.Kind == podschema.List && dst.Len() > 0:
			g.mutateList(dst, f.Type, depth)
		default:
			g.reset(f.Of(v), f)
		}
	}
}

// reset clears a field or gives it a new value.
func (g *Gen) reset(dst reflect.Value, f *podschema.Field) {
	dst.SetZero()
	if g.chance(50) {
		return
	}
	if f.Pointer {
		dst.Set(reflect.New(f.Type.Go))
		dst = dst.Elem()
	}
	g.fill(dst, f.Type, 1)
}

func (g *Gen) mutateList(dst reflect.Value, t *podschema.Type, depth int) {
	list := reflect.MakeSlice(t.Go, 0, dst.Len()+2)
	for i := range dst.Len() {
		if !g.chance(15) {
			list = reflect.Append(list, dst.Index(i))
		}
	}
	for range g.Rand.IntN(3) {
		item := reflect.New(t.Elem.Go).Elem()
		g.fill(item, t.Elem, depth+1)
		at := g.Rand.IntN(list.Len() + 1)
		grown := reflect.AppendSlice(reflect.MakeSlice(t.Go, 0, list.Len()+1), list.Slice(0, at))
		list = reflect.AppendSlice(reflect.Append(grown, item), list.Slice(at, list.Len()))
	}
	if g.chance(30) {
		g.Rand.Shuffle(list.Len(), reflect.Swapper(list.Interface()))
	}
	for i := range list.Len() {
		if t.Elem.Kind == podschema.Struct && g.chance(50) {
			g.mutate(list.Index(i), t.Elem, depth+1)
		}
	}
	dst.Set(list)
}
