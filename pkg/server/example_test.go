package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/server"
)

// A server with a limit of its own for connections, stopped by its context.
func Example() {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	s, err := server.Listen(server.Options{
		Name: "webhook", Flag: "--port", Address: "127.0.0.1:0",
		Handler: hello, MaxConnections: 100,
		Timeout: time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	answer, err := http.Get("http://" + s.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	fmt.Println(answer.StatusCode, string(text))

	stop()
	fmt.Println("ended with", <-ended)
	// Output:
	// 200 hello
	// ended with <nil>
}
