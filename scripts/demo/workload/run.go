package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

const usage = `usage: workload app | proxy | pause

  app    answers every request on LISTEN (:8080) with one line
  proxy  passes requests on LISTEN (:8000) on to UPSTREAM (127.0.0.1:8080) and
         marks each answer with the header X-Sidecar: GREETING
  pause  waits until it is told to stop
`

// run returns the exit status: 0 stopped on request, 1 failed, 2 usage.
func run(ctx context.Context, args []string, env func(string) string, stderr io.Writer) int {
	get := func(name, fallback string) string {
		if v := env(name); v != "" {
			return v
		}
		return fallback
	}
	if len(args) != 1 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	var err error
	switch args[0] {
	case "app":
		err = serve(ctx, get("LISTEN", ":8080"), app(get("POD_NAME", "somewhere")))
	case "proxy":
		err = serve(ctx, get("LISTEN", ":8000"), proxy(get("UPSTREAM", "127.0.0.1:8080"), get("GREETING", "unset")))
	case "pause":
		<-ctx.Done()
	default:
		fmt.Fprint(stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintf(stderr, "workload: %v\n", err)
		return 1
	}
	return 0
}

func app(pod string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s\n", pod)
	})
}

func proxy(upstream, greeting string) http.Handler {
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
	forward.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("X-Sidecar", greeting)
		return nil
	}
	mux := http.NewServeMux()
	// The sidecar is ready before the application is: a native sidecar's
	// startup probe must pass before the application is even started.
	mux.HandleFunc("GET /sidecar/ready", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("/", forward)
	return mux
}

func serve(ctx context.Context, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		stopped <- server.Shutdown(drain)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
