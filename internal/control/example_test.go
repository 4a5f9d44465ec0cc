package control_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/control"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// A loop that keeps a number at 1. Tick makes the passes that Run would make.
func Example() {
	object := 0 // in the cluster
	problem := func(key string) func(error) trouble.Trouble {
		return func(err error) trouble.Trouble { return trouble.Trouble{Key: key, Message: err.Error()} }
	}
	loop := control.New(control.Options{
		Object: "number x",
		Look: func(context.Context) (control.Plan, error) {
			if object == 1 {
				return control.Plan{}, nil
			}
			return control.Plan{
				Change:   "set to 1",
				Write:    func(context.Context) error { object = 1; return nil },
				Troubles: []trouble.Trouble{{Key: "wrong", Message: "the number is wrong"}},
			}, nil
		},
		Follow:     func(ctx context.Context, _ func(), _ func(error)) { <-ctx.Done() },
		ReadFailed: problem("read"), WriteFailed: problem("write"),
		BudgetSpent: func() trouble.Trouble { return trouble.Trouble{Key: "fight", Message: "somebody else writes it"} },
		Budget:      control.Budget{Burst: 10, Every: time.Second},
		MinBackoff:  time.Second, MaxBackoff: time.Minute,
		Clock: testclock.NewFakeClock(time.Unix(0, 0)), Rand: func() float64 { return 0 },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	for range 2 {
		next := loop.Tick(context.Background())
		fmt.Println(object, loop.Troubles(), "next pass at second", next.Unix())
	}
	// Output:
	// 1 [wrong] next pass at second 0
	// 1 [] next pass at second 60
}
