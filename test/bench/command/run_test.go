package command

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "usage: bench"},
		{[]string{"fly"}, "usage: bench"},
		{[]string{"request", "-rounds", "many"}, "invalid value"},
		{[]string{"memory", "now"}, `unexpected argument "now"`},
	} {
		var stderr bytes.Buffer
		if got := Run(t.Context(), c.args, nil, nil, &bytes.Buffer{}, &stderr); got != 2 {
			t.Errorf("%q: exit status %d, want 2", c.args, got)
		}
		if !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%q says %q, want %q", c.args, stderr.String(), c.says)
		}
	}
}

func TestRunTimeErrors(t *testing.T) {
	for _, c := range []struct {
		args, env []string
		says      string
	}{
		{[]string{"request"}, []string{"CONFORMANCE=/no/such"}, "CONFORMANCE"},
		{[]string{"memory", "-root=../../..", "-pod=huge"}, nil, "must be one of hello, typical, env2000"},
		{[]string{"memory", "-root=../../..", "-program=/no/such", "-starts=1"}, nil, "/no/such"},
		{[]string{"cluster", "-clients=0"}, nil, "-clients"},
	} {
		var stderr bytes.Buffer
		if got := Run(t.Context(), c.args, c.env, nil, &bytes.Buffer{}, &stderr); got != 1 {
			t.Errorf("%q: exit status %d, want 1", c.args, got)
		}
		if !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%q says %q, want %q", c.args, stderr.String(), c.says)
		}
	}
}

func TestRequestWritesWhatItPrints(t *testing.T) {
	out := filepath.Join(t.TempDir(), "figures", "request.json")
	var stdout, stderr bytes.Buffer
	if got := Run(t.Context(), []string{"request", "-root=../../..", "-rounds=1", "-sizes=false", "-o", out}, nil, nil, &stdout, &stderr); got != 0 {
		t.Fatalf("exit status %d: %s", got, stderr.String())
	}
	var f figures.Requests
	if err := figures.Read(out, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Requests) != 6 || f.Machine.Processors == 0 {
		t.Errorf("recorded %d requests: %+v", len(f.Requests), f.Machine)
	}
	if !strings.Contains(stdout.String(), "bench: request targets met ") {
		t.Errorf("no verdict in:\n%s", stdout.String())
	}
}
