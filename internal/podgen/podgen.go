// Package podgen makes random pods and overlays for property tests. Names come
// from small pools, so that lists meet, collide and contain what people get
// wrong: empty names, duplicate ports.
package podgen

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Rounds is how many random cases a test tries where it would try n: all of them,
// or an eighth with -short.
func Rounds(n int) int {
	if testing.Short() {
		return n / 8
	}
	return n
}

// Gen generates values that depend on its source of randomness alone.
type Gen struct {
	Rand *rand.Rand
	// Fill is the chance, of 100, that an optional field of a Go value is set.
	Fill int
	// Directives is the chance, of 100, that an object or list of an overlay
	// carries a strategic merge directive or a null.
	Directives int
}

// New returns a generator whose values depend on the seed alone.
func New(seed uint64) *Gen {
	return &Gen{Rand: rand.New(rand.NewPCG(seed, 0)), Fill: 25, Directives: 8}
}

func (g *Gen) chance(percent int) bool { return g.Rand.IntN(100) < percent }

func (g *Gen) pick(of ...string) string { return of[g.Rand.IntN(len(of))] }

// Word is a short name out of few.
func (g *Gen) Word() string {
	return g.pick("a", "b", "c", "d", "app", "istio-proxy", "istio-init", "kube.io/x", "a~b", `q"\u00e9`, "ü")
}

// Typed returns a random value of a type.
func Typed[T any](g *Gen) *T {
	v := new(T)
	g.fill(reflect.ValueOf(v).Elem(), podschema.For(reflect.TypeFor[T]()), 0)
	return v
}

const maxItems = 5

func (g *Gen) fill(dst reflect.Value, t *podschema.Type, depth int) {
	switch t.Kind {
	case podschema.Bool:
		dst.SetBool(g.chance(50))
	case podschema.Int:
		dst.SetInt(int64(g.Rand.IntN(6)))
	case podschema.String:
		dst.SetString(g.Word())
	case podschema.Struct:
		for i := range t.Fields {
			f := &t.Fields[i]
			required := !f.OmitEmpty || depth == 0
			if !required && !g.chance(g.Fill) {
				continue
			}
			v := f.Of(dst)
			if f.Pointer {
				v.Set(reflect.New(f.Type.Go))
				v = v.Elem()
			}
			g.fill(v, f.Type, depth+1)
		}
	case podschema.Map:
		n := g.Rand.IntN(maxItems)
		dst.Set(reflect.MakeMap(t.Go))
		for range n {
			v := reflect.New(t.Elem.Go).Elem()
			g.fill(v, t.Elem, depth+1)
			dst.SetMapIndex(reflect.ValueOf(g.Word()).Convert(t.Go.Key()), v)
		}
	case podschema.List:
		g.fillList(dst, t, depth)
	default:
		g.leaf(dst)
	}
}

func (g *Gen) fillList(dst reflect.Value, t *podschema.Type, depth int) {
	n := g.Rand.IntN(maxItems)
	s := reflect.MakeSlice(t.Go, 0, n)
	seen := map[string]bool{}
	for range n {
		v := reflect.New(t.Elem.Go).Elem()
		g.fill(v, t.Elem, depth+1)
		// No list of scalars that merge holds one twice.
		if id := fmt.Sprint(v.Interface()); t.Elem.Kind == podschema.Struct || !seen[id] {
			seen[id] = true
			s = reflect.Append(s, v)
		}
	}
	dst.Set(s)
}

func (g *Gen) leaf(dst reflect.Value) {
	switch v := dst.Addr().Interface().(type) {
	case *resource.Quantity:
		*v = resource.MustParse(g.quantity())
	case *intstr.IntOrString:
		if *v = intstr.FromInt32(g.Rand.Int32N(5)); g.chance(50) {
			*v = intstr.FromString(g.Word())
		}
	case *metav1.Time:
		*v = metav1.Unix(1_700_000_000+g.Rand.Int64N(9), 0)
	case *metav1.MicroTime:
		*v = metav1.NewMicroTime(metav1.Unix(1_700_000_000, 0).Time)
	}
}

func (g *Gen) quantity() string { return g.pick("1", "100m", "64Mi", "2Gi", "1k") }
