package partial_test

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"text/template"
	"time"

	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/functions"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/partial"
)

// podData is what the templates of these tests see: the kinds of data that real
// templates see, and in Odd every kind of value and of method that Go has.
type podData struct {
	Revision string
	UID      int64
	Values   map[string]any
	Config   *meshconfig.ProxyConfig
	Mesh     *meshconfig.MeshConfig

	Meta   *metav1.ObjectMeta
	Spec   *corev1.PodSpec
	Image  string
	Native bool
	Odd    *odd
}

func constants() []string { return []string{"Revision", "UID", "Values", "Config", "Mesh"} }

type inner struct {
	Deep string
	Ptr  *inner
}

type odd struct {
	inner
	Named    namedString
	Truth    namedBool
	Uint     uint8
	Float    float32
	Complex  complex128
	Bytes    []byte
	Array    [2]int
	Empty    []string
	IntMap   map[int]string
	AnyMap   map[any]any
	NamedMap map[namedString]int
	Any, Nil any
	Err      error
	Stringer fmt.Stringer
	Pointer  **inner
	NilOdd   *odd
	NilPart  struct{ *part }
	Structs  []inner
	Pointers []*inner
	Chan     chan int
	Func     func(...int) int
	NilFunc  func()
	Seq      iter.Seq[int]
	Seq2     iter.Seq2[string, int]
	Value    counter
	hidden   string
}

type part struct{ Promoted string }

type (
	namedString string
	namedBool   bool
	// counter prints itself by a method of its pointer.
	counter struct{ N int }
)

func (b namedBool) String() string                      { return fmt.Sprintf("truth %t", bool(b)) }
func (n namedString) GetLength() int                    { return len(n) }
func (c *counter) String() string                       { return fmt.Sprintf("counted %d", c.N) }
func (o *odd) GetOne() string                           { return "one" }
func (o *odd) GetNil() any                              { return nil }
func (o *odd) GetOdd() *odd                             { return o }
func (o *odd) GetInner() inner                          { return o.inner }
func (o *odd) GetError() (string, error)                { return "two", nil }
func (o *odd) GetFailure() (string, error)              { return "none", errors.New("no value") }
func (o *odd) GetPair() (int, int)                      { return 1, 2 }
func (o *odd) GetThree() (int, int, error)              { return 1, 2, nil }
func (o *odd) GetNothing()                              {}
func (o *odd) GetGreeting(name string) string           { return "hello " + name }
func (o *odd) GetAll(names ...string) string            { return strings.Join(names, "+") }
func (o *odd) GetPanic() string                         { panic("on purpose") }
func (o *odd) Other() string                            { return "other" }
func (o *odd) Others() (string, int)                    { return "others", 2 }
func (o *odd) Greeting(name string, more ...any) string { return name + fmt.Sprint(more...) }

// pods are data that differ in what no constant says.
func pods(shared *podData) []*podData {
	one := int64(1)
	deep := &inner{Deep: "d"}
	full := *shared
	full.Meta = &metav1.ObjectMeta{
		Name: "web", Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"note": "kept", "n": "0", "empty": ""},
		CreationTimestamp: metav1.NewTime(time.Unix(1_700_000_000, 0).UTC()), DeletionGracePeriodSeconds: &one,
	}
	full.Spec = &corev1.PodSpec{
		ServiceAccountName: "account", SecurityContext: &corev1.PodSecurityContext{FSGroup: &one},
		Containers: []corev1.Container{
			{Name: "app", Args: []string{"z", "y"}, Ports: []corev1.ContainerPort{{ContainerPort: 80, Protocol: "TCP"}, {ContainerPort: 53, Protocol: "UDP"}}},
			{Name: "istio-proxy"},
		},
	}
	full.Image, full.Native = "image", true
	full.Odd = &odd{
		inner: inner{Deep: "deep", Ptr: deep}, Named: "named", Truth: true, Uint: 7, Float: 1.5, Complex: 2i, Bytes: []byte("bytes"), Array: [2]int{3, 4},
		IntMap: map[int]string{1: "one"}, AnyMap: map[any]any{"k": 1, 2: "two"}, NamedMap: map[namedString]int{"b": 2, "a": 1},
		Any: "any", Err: errors.New("an error"), Stringer: &counter{3}, Pointer: &deep, Structs: []inner{{Deep: "x"}, {}}, Pointers: []*inner{deep, nil},
		Func:  func(n ...int) int { return len(n) },
		Seq:   func(yield func(int) bool) { _ = yield(5) && yield(6) },
		Seq2:  func(yield func(string, int) bool) { _ = yield("k", 7) },
		Value: counter{4}, hidden: "hidden",
	}
	empty := *shared
	empty.Meta, empty.Spec, empty.Odd = &metav1.ObjectMeta{}, &corev1.PodSpec{}, &odd{}
	return []*podData{&full, &empty}
}

func sharedData() *podData {
	proxy := config.DefaultProxyConfig()
	proxy.Tracing = &meshconfig.Tracing{Tracer: &meshconfig.Tracing_Zipkin_{Zipkin: &meshconfig.Tracing_Zipkin{Address: "z:1"}}}
	return &podData{
		Revision: "r", UID: 1337, Config: proxy, Mesh: config.DefaultMesh(),
		Values: map[string]any{
			"hub": "h", "port": float64(15020), "nothing": nil, "flag": true, "empty": "", "zero": float64(0),
			"global": map[string]any{"limits": map[string]any{"cpu": nil, "memory": "1Gi"}},
			"items":  []any{"a", float64(1), nil, map[string]any{"k": "v"}},
		},
	}
}

// subject compiles templates for pods that share some data.
type subject struct {
	t      testing.TB
	shared *podData
	pods   []*podData
	funcs  template.FuncMap
	root   *template.Template
}

func newSubject(t testing.TB) *subject {
	shared := sharedData()
	s := &subject{t: t, shared: shared, pods: pods(shared), funcs: functions.Current(nil)}
	for name := range s.funcs {
		if functions.ChangesArguments(name) {
			delete(s.funcs, name) // templates that call these get no program
		}
	}
	s.root = template.New("root").Funcs(s.funcs)
	return s
}

// program parses a template and evaluates it in part. A text that is no template
// gives nil twice.
func (s *subject) program(text string) (*template.Template, *partial.Program) {
	// A clone costs less than declaring the functions anew.
	tmpl, err := s.root.Clone()
	if err != nil {
		s.t.Fatal(err)
	}
	if tmpl, err = tmpl.Parse(text); err != nil {
		return nil, nil
	}
	o := options(s.t, s.funcs, s.shared, constants())
	o.Defect = func(err error) { s.t.Errorf("a defect: %s\n%v", text, err) }
	return tmpl, partial.Compile(tmpl, o)
}

// options are those of most tests: no limits, no markers, no defects.
func options(t testing.TB, funcs template.FuncMap, data any, constants []string) partial.Options {
	return partial.Options{
		Funcs: funcs, Data: data, Constants: constants, Depth: 20,
		Marker: func([]byte) (int, bool) { return 0, false },
		Late:   func() bool { return false },
		Defect: func(err error) { t.Errorf("a defect: %v", err) },
	}
}

// collector is the output of a program or of text/template, up to a limit.
type collector struct{ text strings.Builder }

const maxOutput = 1 << 16

var errTooLong = errors.New("too long")

func (c *collector) Write(p []byte) (int, error) {
	if !c.WriteText(string(p)) {
		return 0, errTooLong
	}
	return len(p), nil
}

func (c *collector) WriteText(text string) bool {
	if c.text.Len()+len(text) > maxOutput {
		return false
	}
	c.text.WriteString(text)
	return true
}

func (*collector) Late() bool { return false }

func (c *collector) Count(int) bool { return true }

func run(p *partial.Program, data any) (string, bool) {
	var out collector
	v := reflect.ValueOf(data).Elem()
	if p == nil || !p.Fits(v) {
		return "", false
	}
	ok := p.Run(v, &out)
	return out.text.String(), ok
}

func oracle(t *template.Template, data any) (text string, err error) {
	defer func() {
		// text/template panics where a template ranges over a function that is nil.
		if r := recover(); r != nil {
			err = fmt.Errorf("text/template panics: %v", r)
		}
	}()
	var out collector
	err = t.Execute(&out, data)
	return out.text.String(), err
}

// outcome says for how many pods a template gives something, and for how many of
// these its program does.
type outcome struct {
	texts, programs int
	// first says that the first pod is one of the latter.
	first bool
	// parsed is nil for a text that is no template.
	parsed *template.Template
}

// check fails the test where a program gives something that text/template does not.
func (s *subject) check(text string) (sum outcome) {
	s.t.Helper()
	tmpl, program := s.program(text)
	if tmpl == nil {
		return sum
	}
	sum.parsed = tmpl
	for i, d := range s.pods {
		got, ok := run(program, d)
		want, err := oracle(tmpl, d)
		if err == nil {
			sum.texts++
		}
		if !ok {
			continue
		}
		if err == nil && got == want {
			sum.programs++
			sum.first = sum.first || i == 0
			continue
		}
		if again, _ := oracle(tmpl, d); err == nil && again != want {
			continue // it prints addresses of what it has made
		}
		s.t.Errorf("pod %d: %s\nthe program gives   %q\ntext/template gives %q, %v", i, text, got, want, err)
	}
	return sum
}
