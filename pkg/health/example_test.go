package health_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/health"
)

func Example() {
	ready := health.NewSet("ready", time.Second, slog.New(slog.DiscardHandler),
		health.Check{Name: "configuration", Run: func(context.Context) (string, error) { return "loaded at 12:00", nil }},
		health.CheckFunc("certificate", func(context.Context) error { return errors.New("expired at 11:59") }),
	)
	report, err := ready.Run(context.Background())
	fmt.Print(report)
	fmt.Println(err)
	// Output:
	// [+] configuration: loaded at 12:00
	// [-] certificate: expired at 11:59
	// certificate: expired at 11:59
}
