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
	result := snapshot.Inject(inject.Request{Object: raw, Namespace: pod.Namespace})
	constant, err := constantPatch()
	if err != nil {
		t.Fatal(err)
	}
	for name, patch := range map[string][]byte{"injector": result.Patch, "constant": constant} {
		p, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, result.Decision.Sentence)
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
	f := figures.Cluster{Creations: []figures.Creation{
		{Way: Injector, Clients: 1, P50Ratio: 1.05, P99Ratio: 1.2},
		{Way: Injector, Clients: 4, P50Ratio: 1.06, P99Ratio: 1},
		{Way: Policy, Clients: 4, P50Ratio: 1.0},
	}, Restart: &figures.Creation{Created: 10, Failed: 1}, Restarts: 1}
	var got []bool
	for _, v := range Verdicts(f) {
		got = append(got, v.Met)
	}
	want := []bool{true, false, false, true, false, false}
	if len(got) != len(want) {
		t.Fatalf("%d verdicts, want %d: %v", len(got), len(want), Verdicts(f))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("verdict %d: %+v", i, Verdicts(f)[i])
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
