package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProxyMarksTheAnswersOfTheApplication(t *testing.T) {
	application := httptest.NewServer(app("pod-1"))
	defer application.Close()
	sidecar := httptest.NewServer(proxy(strings.TrimPrefix(application.URL, "http://"), "one"))
	defer sidecar.Close()

	answer, err := http.Get(sidecar.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("X-Sidecar"); got != "one" || string(body) != "hello from pod-1\n" {
		t.Errorf("header %q, body %q", got, body)
	}
}

func TestRunStopsWhenToldTo(t *testing.T) {
	for _, mode := range []string{"app", "proxy", "pause"} {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan int)
		go func() {
			done <- run(ctx, []string{mode}, func(string) string { return "127.0.0.1:0" }, io.Discard)
		}()
		stop()
		if code := <-done; code != 0 {
			t.Errorf("%s: exit %d", mode, code)
		}
	}
}

func TestRunRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{nil, {"dance"}, {"app", "proxy"}} {
		var stderr strings.Builder
		if code := run(t.Context(), args, func(string) string { return "" }, &stderr); code != 2 || !strings.HasPrefix(stderr.String(), "usage:") {
			t.Errorf("%v: exit %d, said %q", args, code, stderr.String())
		}
	}
}
