package cluster

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// The webhooks must do the same, or comparing them says nothing.
func TestConstantPatchAndInjectorAddTheSame(t *testing.T) {
	setup, err := Setup()
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := setup.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	pod := podFor(pods.WithVariables(2), Injector, "shop-1")
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	result := snapshot.Inject(t.Context(), inject.Request{Object: raw, Namespace: pod.Namespace})
	constant, err := constantPatch()
	if err != nil {
		t.Fatal(err)
	}
	for name, patch := range map[string][]byte{"injector": result.Patch, "constant": constant} {
		p, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, result.Decision.Message)
		}
		out, err := p.Apply(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got corev1.Pod
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if err := mutated(&got, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := mutated(pod, false); err != nil {
		t.Error(err)
	}
	if mutated(pod, true) == nil {
		t.Error("an untouched pod passes for one with a sidecar")
	}
}

func TestSummaryComparesRoundByRound(t *testing.T) {
	constant := []turn{{latencies: []float64{10, 10}, took: time.Second}, {latencies: []float64{100, 100}, took: time.Second}}
	ours := []turn{{latencies: []float64{11, 11}, took: time.Second}, {latencies: []float64{110, 110}, took: 2 * time.Second}}
	got := summary(Injector, 1, ours, constant)
	if got.P50Ratio < 1.099 || got.P50Ratio > 1.101 || got.Created != 4 || got.PerSecond != 1.5 {
		t.Errorf("got %+v", got)
	}
}

func TestVerdicts(t *testing.T) {
	steady := func(ms float64) (rounds []float64) {
		for i := range 20 {
			rounds = append(rounds, ms*(1+float64(i%3)/1000))
		}
		return rounds
	}
	f := figures.Cluster{Creations: []figures.Creation{
		{Way: Constant, Clients: 1, RoundP50: steady(10)},
		{Way: Injector, Clients: 1, RoundP50: steady(10.4), P99Ratio: 1.2, P99Low: 1.15, P99High: 1.3},
		{Way: Constant, Clients: 4, RoundP50: steady(20)},
		{Way: Policy, Clients: 4, RoundP50: steady(19)},
		{Way: Injector, Clients: 4, RoundP50: steady(21.5), P99Ratio: 1, P99Low: 0.8, P99High: 1.2},
	}, Restart: &figures.Creation{Created: 10, Failed: 1}, Restarts: 1}
	want := []string{"ok", "MISSED", "MISSED", "MISSED", "open", "MISSED"}
	got := Verdicts(f)
	if len(got) != len(want) {
		t.Fatalf("%d verdicts, want %d: %v", len(got), len(want), got)
	}
	for i := range want {
		if got[i].Word != want[i] {
			t.Errorf("verdict %d is %+v, want %s", i, got[i], want[i])
		}
	}
	var out bytes.Buffer
	if err := Print(&out, f); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "MISSED"); n != 4 {
		t.Errorf("%d MISSED printed, want 4:\n%s", n, out.String())
	}
}

func TestSummaryBoundsTheTail(t *testing.T) {
	var ours, constant []turn
	for i := range 12 {
		tail := 50 + float64(i)
		ours = append(ours, turn{latencies: []float64{10, 11, 2 * tail}, took: time.Second})
		constant = append(constant, turn{latencies: []float64{10, 11, tail}, took: time.Second})
	}
	got := summary(Injector, 1, ours, constant)
	if got.P99Low > got.P99Ratio || got.P99High < got.P99Ratio || got.P99Low < 1.9 || got.P99High > 2.1 {
		t.Errorf("the ratio is %.2f, bounded by %.2f and %.2f; want about 2", got.P99Ratio, got.P99Low, got.P99High)
	}
}

func TestAnswerPatchesAndEnds(t *testing.T) {
	folder := t.TempDir()
	setup, err := Setup()
	if err != nil {
		t.Fatal(err)
	}
	files, err := process.Prepare(folder, setup, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	log := &addressLog{found: make(chan string, 1)}
	done := make(chan error, 1)
	go func() { done <- Answer(t.Context(), folder, true, log) }()
	var port string
	select {
	case port = <-log.found:
	case err := <-done:
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: files.Roots}}}
	resp, err := client.Post("https://127.0.0.1:"+port, "application/json",
		strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(resp.Body).Decode(&review); err != nil {
		t.Fatal(err)
	}
	if r := review.Response; r == nil || r.UID != "u1" || !r.Allowed || !json.Valid(r.Patch) {
		t.Errorf("answered %+v", review.Response)
	}
}

// addressLog finds the port in the log.
type addressLog struct{ found chan string }

func (l *addressLog) Write(line []byte) (int, error) {
	var entry struct{ Address string }
	if err := json.Unmarshal(line, &entry); err != nil {
		return 0, err
	}
	l.found <- entry.Address[strings.LastIndex(entry.Address, ":")+1:]
	return len(line), nil
}
