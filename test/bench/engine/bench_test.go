package engine

import (
	"net/http"
	"os"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

const root = "../../.."

func setups(tb testing.TB) []Setup {
	tb.Helper()
	s, err := Setups(root, os.Getenv(CorporaEnv))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func shapes(tb testing.TB) []pods.Shape {
	tb.Helper()
	s, err := pods.Shapes(os.Getenv(pods.FolderEnv))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// BenchmarkRequest is one request: the bytes of a review in, the bytes of the
// answer out.
func BenchmarkRequest(b *testing.B) {
	for _, shape := range shapes(b) {
		b.Run("floor/"+shape.Name, func(b *testing.B) { request(b, Floor(), shape, Cold, nil) })
		for _, setup := range setups(b) {
			for _, mode := range []Mode{Cold, Warm} {
				b.Run(setup.Dialect+"/"+shape.Name+"/"+string(mode), func(b *testing.B) {
					snapshot, err := setup.Snapshot()
					if err != nil {
						b.Fatal(err)
					}
					request(b, Handler(snapshot), shape, mode, Injected)
				})
			}
		}
	}
}

func request(b *testing.B, h http.Handler, shape pods.Shape, mode Mode, answer func([]byte) error) {
	s, err := Subject(b.Name(), h, shape, mode, answer)
	if err != nil {
		b.Fatal(err)
	}
	s.Do(0, 1)
	b.ReportAllocs()
	n := 1
	for b.Loop() {
		s.Do(n, 1)
		n++
	}
}
