package benchdocs

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

func TestWriteFillsDocumentsAndDrawsPlots(t *testing.T) {
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		performance: "Before.\n<!-- requests -->\nSTALE\n<!-- /requests -->\nBetween.\n<!-- cluster -->\n<!-- /cluster -->\n",
		decision:    "<!-- json -->\n<!-- /json -->\n",
	} {
		must(os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		must(os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	q := figures.Request{Pod: "hello", Dialect: "current", Bytes: 700, Cold: figures.Cost{CPU: 42, Ratio: 2.5, Target: 2}, Warm: figures.Cost{CPU: 20, Ratio: 1}}
	big := q
	big.Bytes, big.Cold.CPU = 7000, 99
	must(figures.Write(filepath.Join(root, folder, "request.json"), figures.Requests{Machine: figures.Machine{Time: time.Unix(0, 0)}, Requests: []figures.Request{q}, Sizes: []figures.Request{q, big}}))
	must(figures.Write(filepath.Join(root, folder, "cluster.json"), figures.Cluster{Creations: []figures.Creation{
		{Way: "injector", Clients: 1, P50: 9.5, P99: 30, PerSecond: 90}, {Way: "injector", Clients: 4, P50: 20, P99: 60, PerSecond: 200},
	}}))
	must(figures.Write(filepath.Join(root, folder, "json.json"), []figures.JSONCost{{Library: "a/b", Pod: "hello", DecodeRatio: 0.5}}))

	names, err := Write(root)
	must(err)
	document, err := os.ReadFile(filepath.Join(root, performance))
	must(err)
	for _, want := range []string{"Before.\n", "2: missed", "| the injector | 1 | 9.5 ms |", "Between.\n"} {
		if !bytes.Contains(document, []byte(want)) {
			t.Errorf("no %q in:\n%s", want, document)
		}
	}
	if bytes.Contains(document, []byte("STALE")) {
		t.Error("the old table is still there")
	}
	plots := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".svg") {
			continue
		}
		plots++
		data, err := os.ReadFile(filepath.Join(root, name))
		must(err)
		if !bytes.Contains(data, []byte("<path")) {
			t.Errorf("%s draws nothing", name)
		}
		for d := xml.NewDecoder(bytes.NewReader(data)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s is no XML: %v", name, err)
			}
		}
	}
	if plots != 3 {
		t.Errorf("%d plots of size and rate, want 3: %v", plots, names)
	}
	again, err := Write(root)
	must(err)
	if second, err := os.ReadFile(filepath.Join(root, performance)); err != nil || !bytes.Equal(second, document) || len(again) != len(names) {
		t.Errorf("a second run writes something else (%v)", err)
	}
}

func TestFillNeedsBothMarks(t *testing.T) {
	if _, err := fill([]byte("<!-- a -->\n"), map[string]string{"a": "x"}); err == nil {
		t.Error("a mark without an end was accepted")
	}
}

func TestReadableTicks(t *testing.T) {
	var labels []string
	for _, tick := range (readable{}).Ticks(7, 230) {
		if tick.Value < 7 || tick.Value > 230 {
			t.Errorf("a tick at %v", tick.Value)
		}
		if tick.Label != "" {
			labels = append(labels, tick.Label)
		}
	}
	if got, want := strings.Join(labels, " "), "10 20 50 100 200"; got != want {
		t.Errorf("labels %s, want %s", got, want)
	}
}
