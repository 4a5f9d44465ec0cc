package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// lockedBuffer is a log that may be read while the loop writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// thing is an object in the cluster that should be 1, and the loop that keeps it
// so. Its loop runs in a synctest bubble, where time is what the test makes it.
type thing struct {
	loop *Loop
	log  *lockedBuffer

	mu      sync.Mutex
	value   int
	reads   int
	writes  []time.Duration // since begin
	begin   time.Time
	look    func(ctx context.Context) error // before a read
	write   func(ctx context.Context) error // instead of a write; nil: none
	plan    func(*Plan)                     // changes the plan
	failed  func(error)                     // of the watch
	changed func()
}

func newThing(t *testing.T, change func(*Options)) *thing {
	t.Helper()
	x := &thing{log: &lockedBuffer{}, begin: time.Now(), value: 1}
	o := Options{
		Object: "thing x", Look: x.read,
		Follow: func(ctx context.Context, changed func(), failed func(error)) {
			x.changed, x.failed = changed, failed
			<-ctx.Done()
		},
		ReadFailed:  func(err error) trouble.Trouble { return trouble.Trouble{Key: "read", Message: err.Error()} },
		WriteFailed: func(err error) trouble.Trouble { return trouble.Trouble{Key: "write", Message: err.Error()} },
		BudgetSpent: func() trouble.Trouble { return trouble.Trouble{Key: "budget", Message: "budget"} },
		Budget:      Budget{Burst: 10, Every: 10 * time.Second},
		MinBackoff:  100 * time.Millisecond, MaxBackoff: 30 * time.Second,
		Clock: clock.RealClock{}, Rand: func() float64 { return 0 }, Log: slog.New(slog.NewTextHandler(x.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	x.loop = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := x.loop.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return x
}

func (x *thing) read(ctx context.Context) (Plan, error) {
	x.mu.Lock()
	x.reads++
	look, change := x.look, x.plan
	x.mu.Unlock()
	if look != nil {
		if err := look(ctx); err != nil {
			return Plan{}, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var p Plan
	if x.value != 1 {
		p.Change, p.Write = "set", x.set
		p.Troubles = []trouble.Trouble{{Key: "wrong", Message: "it is wrong"}}
	}
	if change != nil {
		change(&p)
	}
	return p, nil
}

func (x *thing) set(ctx context.Context) error {
	x.mu.Lock()
	x.writes = append(x.writes, time.Since(x.begin))
	write := x.write
	x.mu.Unlock()
	if write != nil {
		return write(ctx)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.value = 1
	return nil
}

// put is somebody else's write.
func (x *thing) put(value int) {
	x.mu.Lock()
	x.value = value
	x.mu.Unlock()
	x.changed()
	synctest.Wait()
}

// state is what has become of the thing. It is read under the lock, because a
// timer, which wakes the loop, does not order what the test has read before.
func (x *thing) state() (s struct {
	value, reads int
	writes       []time.Duration
},
) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s.value, s.reads, s.writes = x.value, x.reads, slices.Clone(x.writes)
	return s
}

func (x *thing) count(text string) int { return strings.Count(x.log.String(), text) }

// bubble runs a test in its own time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func TestWritesWhatIsNeededAndNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := newThing(t, nil)
		for range 50 {
			x.changed()
			synctest.Wait()
			time.Sleep(Resync)
		}
		synctest.Wait() // the last pass is due at this very moment
		if len(x.state().writes) != 0 || x.state().reads < 100 {
			t.Errorf("%d writes in %d passes in which all was right", len(x.state().writes), x.state().reads)
		}
		x.put(7)
		if x.state().value != 1 || len(x.state().writes) != 1 {
			t.Errorf("value %d after %d writes", x.state().value, len(x.state().writes))
		}
		// An event that was lost does no harm for long.
		x.mu.Lock()
		x.value = 8
		x.mu.Unlock()
		time.Sleep(Resync)
		synctest.Wait()
		if x.state().value != 1 || len(x.state().writes) != 2 {
			t.Errorf("value %d after %d writes", x.state().value, len(x.state().writes))
		}
		if x.count("trouble=wrong") != 4 || len(x.loop.Troubles()) != 0 {
			t.Errorf("each trouble begins and ends once:\n%s", x.log)
		}
	})
}

// A trouble ends with its cause, whoever removed it.
func TestTroublesEnd(t *testing.T) {
	gone := apierrors.NewServiceUnavailable("away")
	for name, tt := range map[string]struct {
		key        string
		begin, end func(*thing)
	}{
		"write failed, another one writes": {"write", func(x *thing) {
			x.write = func(context.Context) error { return gone }
			x.put(2)
		}, func(x *thing) { x.put(1) }},
		"write failed, then works": {"write", func(x *thing) {
			x.write = func(context.Context) error { return gone }
			x.put(2)
		}, func(x *thing) {
			x.mu.Lock()
			x.write = nil
			x.mu.Unlock()
			time.Sleep(time.Minute)
		}},
		"cannot read": {"read", func(x *thing) {
			x.mu.Lock()
			x.look = func(context.Context) error { return gone }
			x.mu.Unlock()
			x.changed()
		}, func(x *thing) {
			x.mu.Lock()
			x.look = nil
			x.mu.Unlock()
			time.Sleep(time.Minute)
		}},
		"cannot watch": {"read", func(x *thing) { x.failed(gone) }, func(x *thing) { x.failed(nil) }},
		"found":        {"odd", func(x *thing) { x.odd(true) }, func(x *thing) { x.odd(false) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				x := newThing(t, nil)
				tt.begin(x)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if open := x.loop.Troubles(); !slices.Contains(open, tt.key) || x.count("level=WARN") != len(open) {
					t.Errorf("open are %q:\n%s", open, x.log)
				}
				tt.end(x)
				synctest.Wait()
				if open := x.loop.Troubles(); len(open) != 0 || x.count("trouble is over") != x.count("level=WARN") {
					t.Errorf("open are %q afterwards:\n%s", open, x.log)
				}
			})
		})
	}
}

func (x *thing) odd(is bool) {
	x.mu.Lock()
	x.plan = func(p *Plan) {
		if is {
			p.Troubles = append(p.Troubles, trouble.Trouble{Key: "odd", Message: "odd"})
		}
	}
	x.mu.Unlock()
	x.changed()
}

// A call that hangs ends at its deadline, and the loop goes on.
func TestHungCalls(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	bubble(t, func(t *testing.T) {
		x := newThing(t, nil)
		x.mu.Lock()
		x.look = hang
		x.mu.Unlock()
		x.changed()
		time.Sleep(CallTimeout)
		synctest.Wait()
		if open := x.loop.Troubles(); !slices.Equal(open, []string{"read"}) || x.count("context deadline exceeded") != 1 {
			t.Errorf("open are %q:\n%s", open, x.log)
		}
	})
	bubble(t, func(t *testing.T) {
		x := newThing(t, nil)
		x.write = hang
		x.put(2)
		reads := x.state().reads
		time.Sleep(CallTimeout)
		synctest.Wait()
		if open := x.loop.Troubles(); !slices.Contains(open, "write") {
			t.Errorf("open are %q:\n%s", open, x.log)
		}
		time.Sleep(CallTimeout)
		synctest.Wait()
		if x.state().reads == reads {
			t.Error("it does not read on")
		}
	})
}

// Somebody overwrites every repair: the budget holds, it is said once while it
// lasts, and when the fight ends all is right and the trouble over.
func TestFightStaysInTheBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := newThing(t, nil)
		const minutes = 10
		for range minutes * 60 * 10 {
			x.put(2)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if n, most := len(x.state().writes), 10+minutes*6+1; n > most || n < most-2 {
			t.Errorf("%d writes in %d minutes, want %d", n, minutes, most)
		}
		if n := x.count("msg=budget"); n < 1 || n > 2 { // a lasting trouble is repeated
			t.Errorf("said %d times", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if open := x.loop.Troubles(); x.state().value != 1 || len(open) != 0 {
			t.Errorf("value %d, open are %q", x.state().value, open)
		}
	})
}

// Losing a race is no failure, but it counts in the budget.
func TestLostRaces(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "things"}, "x", errors.New("changed"))
	bubble(t, func(t *testing.T) {
		x := newThing(t, nil)
		x.write = func(context.Context) error { return conflict }
		x.put(2)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if n := len(x.state().writes); n != 10+6 {
			t.Errorf("%d tries in a minute", n)
		}
		if open := x.loop.Troubles(); !slices.Equal(open, []string{"budget", "wrong"}) {
			t.Errorf("open are %q", open)
		}
	})
}

func TestBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := newThing(t, func(o *Options) { o.Budget = Budget{Burst: 1000, Every: time.Second} })
		away := errors.New("away")
		x.write = func(context.Context) error { return away }
		x.begin = time.Now()
		x.put(2)
		for range 20 { // events do not shorten the pause
			time.Sleep(5 * time.Second)
			x.changed()
			synctest.Wait()
		}
		var want []time.Duration
		for at, pause := time.Duration(0), 100*time.Millisecond; at <= 100*time.Second; pause = min(2*pause, 30*time.Second) {
			want = append(want, at)
			at += pause
		}
		if !slices.Equal(x.writes, want) {
			t.Errorf("tries at %v, want %v", x.state().writes, want)
		}
		// A watch that works again ends the pause.
		x.failed(away)
		synctest.Wait()
		n := len(x.state().writes)
		x.failed(nil)
		synctest.Wait()
		if len(x.state().writes) != n+1 {
			t.Errorf("%d tries when the API server answers again", len(x.state().writes)-n)
		}
	})
}

// A random part of Spread passes before a write; passes in between do not move it.
func TestSpread(t *testing.T) {
	for _, random := range []float64{0, 0.25, 0.9} {
		bubble(t, func(t *testing.T) {
			x := newThing(t, func(o *Options) { o.Rand = func() float64 { return random } })
			x.plan = func(p *Plan) { p.Spread, p.NotBefore = 10*time.Second, x.begin.Add(time.Second) }
			for range 20 {
				if len(x.state().writes) == 0 {
					x.put(2)
				}
				time.Sleep(time.Second)
			}
			synctest.Wait()
			want := max(time.Second, time.Duration(random*float64(10*time.Second)))
			if len(x.state().writes) != 1 || x.state().writes[0] != want {
				t.Errorf("random %v: written at %v, want %v", random, x.state().writes, want)
			}
		})
	}
}

// However often it is woken, it does not read faster than it may.
func TestPassesAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := newThing(t, nil)
		for range 10_000 { // ten seconds
			x.changed()
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if most := passBurst + 10*passesPerSecond + 2; x.state().reads > most || x.state().reads < most/2 {
			t.Errorf("%d reads in ten seconds, want at most %d", x.state().reads, most)
		}
	})
}

// The same time and the same random numbers give the same passes and writes.
func TestDeterministic(t *testing.T) {
	run := func() (out string) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			x := newThing(t, func(o *Options) { o.Rand = random.Float64 })
			world := rand.New(rand.NewPCG(5, 6))
			x.plan = func(p *Plan) { p.Spread = time.Second }
			for range 300 {
				switch world.IntN(4) {
				case 0:
					x.put(2)
				case 1:
					x.failed([]error{nil, errors.New("away")}[world.IntN(2)])
				case 2:
					x.mu.Lock()
					x.write = nil
					if world.IntN(2) == 0 {
						x.write = func(context.Context) error { return errors.New("away") }
					}
					x.mu.Unlock()
				}
				time.Sleep(time.Duration(world.IntN(2000)) * time.Millisecond)
				synctest.Wait()
			}
			out = fmt.Sprintln(x.state().reads, x.state().writes, x.state().value) + x.log.String()
		})
		return out
	}
	if a, b := run(), run(); a != b || strings.Count(a, "\n") < 20 {
		t.Errorf("two runs differ, or nothing happened:\n%s\n%s", a, b)
	}
}
