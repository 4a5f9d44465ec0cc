package inject_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// countdown is a context that ends when it has been asked a number of times whether
// it has: so a test reaches every place that looks at it, without a clock.
type countdown struct {
	context.Context
	left  int
	asked int
}

func (c *countdown) Err() error {
	if c.asked++; c.asked > c.left {
		return context.Canceled
	}
	return nil
}

// Wherever the caller goes away, the pod is refused, and the message names the step.
// The work looks often enough: each step of every worst pod at least once.
func TestWorkEndsWithItsCaller(t *testing.T) {
	for dialect, s := range bothDialects(t) {
		seen := map[string]bool{}
		for name, pod := range worst() {
			if testing.Short() && len(pod) > small {
				continue
			}
			req := inject.Request{Object: []byte(pod), Namespace: "shop"}
			whole := &countdown{Context: t.Context(), left: 1 << 40}
			want := s.Inject(whole, req)
			for _, at := range looks(whole.asked, len(pod) <= small) {
				if at < 0 || at >= whole.asked {
					continue
				}
				res := s.Inject(&countdown{Context: t.Context(), left: at}, req)
				if res.Decision.Code == want.Decision.Code && at >= whole.asked-20 {
					continue // what is remembered of the first call saves some steps
				}
				m := res.Decision.Message
				if res.Decision.Code != decide.DeadlineExceeded || res.Decision.Outcome != decide.Refuse || !errors.Is(res.Err, context.Canceled) || res.Patch != nil || res.Pod != nil {
					t.Errorf("%s, %s: the caller is gone at look %d of %d: %s: %s", dialect, name, at, whole.asked, res.Decision.Code, m)
					continue
				}
				if after, ok := strings.CutPrefix(m, "the caller went away while the injector was "); ok {
					step, _, _ := strings.Cut(after, ": ")
					seen[step] = true
				} else {
					t.Errorf("%s, %s: %s", dialect, name, m)
				}
			}
		}
		for _, step := range []string{"reading the pod", "deciding about the pod", "reading the pod's annotations", "taking an earlier injection out of the pod", "rendering the templates", "adapting the pod to its sidecar", "writing the patch", "checking the pod's security level"} {
			if !seen[step] {
				t.Errorf("%s: nobody looked while %s; seen are %v", dialect, step, seen)
			}
		}
	}
}

// When the caller goes away, the work ends within milliseconds, in every step of the
// worst pods. The bound in the test leaves room for a busy machine.
func TestWorkEndsSoon(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	const soon = 500 * time.Millisecond
	var slowest time.Duration
	var what string
	for dialect, s := range bothDialects(t) {
		for name, pod := range worst() {
			req := inject.Request{Object: []byte(pod), Namespace: "shop"}
			began := time.Now()
			s.Inject(t.Context(), req)
			whole := time.Since(began)
			const parts = 4
			for i := range parts {
				ctx, cancel := context.WithCancel(t.Context())
				var gone time.Time
				timer := time.AfterFunc(whole*time.Duration(i)/parts, func() { gone = time.Now(); cancel() })
				s.Inject(ctx, req)
				ended := time.Now()
				if timer.Stop() {
					continue // it was done before
				}
				<-ctx.Done()
				if late := ended.Sub(gone); late > slowest {
					slowest, what = late, dialect+", "+name
				}
				cancel()
			}
		}
	}
	t.Logf("the slowest ended %v after its caller was gone: %s", slowest, what)
	if slowest > soon {
		t.Errorf("ended %v after the caller was gone, at most %v: %s", slowest, soon, what)
	}
}

func bothDialects(t *testing.T) map[string]*inject.Snapshot {
	all := lawSnapshots(t)
	return map[string]*inject.Snapshot{"current": all["current"], "classic": all["classic"]}
}

// small is the length of pods for which every look is tried, if there are not many.
const small = 64 << 10

// looks returns at which of n looks the caller goes away: all, or the first and last
// ones and some between.
func looks(n int, small bool) []int {
	var out []int
	for i := 0; i < n; i++ {
		if i > 5 && (!small || i > 100) {
			i += 4 * (i - 5)
		}
		out = append(out, i)
	}
	return append(out, n-2, n-1)
}

// The message about a deadline says how long it was.
func TestDeadline(t *testing.T) {
	s := lawSnapshots(t)["current"]
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	res := s.Inject(ctx, inject.Request{Object: object(t, app(nil))})
	if want := "the time that the caller allows, 0s, was over while the injector was reading the pod: try again"; res.Decision.Code != decide.DeadlineExceeded || !strings.HasPrefix(res.Decision.Message, want) {
		t.Errorf("%s: %s", res.Decision.Code, res.Decision.Message)
	}
	if !errors.Is(res.Err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", res.Err)
	}
}

// The limits of templates hold for all that a pod names together.
func TestTemplatesShareTheirLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		template string
		limits   render.Limits
		says     string
	}{
		"output": {"metadata: {labels: {a: " + strings.Repeat("x", 60) + "}}", render.Limits{Output: 150}, "output, 150 bytes"},
		"steps":  {"{{ range .Spec.Containers }}{{ end }}metadata: {labels: {a: b}}", render.Limits{Steps: 2}, "loop rounds and template calls, 2"},
	} {
		cfg, err := config.Parse(config.Sources{Inject: config.Source{Name: "config.yaml", Data: []byte(sidecar(tc.template))}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := inject.CompileWithLimits(cfg, inject.Options{}, tc.limits)
		if err != nil {
			t.Fatal(err)
		}
		for named, want := range map[string]decide.Code{"sidecar": decide.PolicyEnabled, "sidecar,sidecar,sidecar": decide.TemplateError} {
			res := s.Inject(t.Context(), inject.Request{Object: object(t, app(map[string]string{"inject.istio.io/templates": named}))})
			if res.Decision.Code != want || want == decide.TemplateError && !strings.Contains(res.Decision.Message, tc.says) {
				t.Errorf("%s, %s: %s: %s", name, named, res.Decision.Code, res.Decision.Message)
			}
		}
	}
}
