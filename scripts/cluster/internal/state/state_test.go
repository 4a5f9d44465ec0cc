package state

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
)

func TestSaveAndLoad(t *testing.T) {
	want := State{Name: "demo", Mode: Node, Phase: Running, Dir: t.TempDir(), Plan: plan.WithNode(2), Supervisor: Process{PID: 1, Start: 2, BootID: "b"}}
	if err := want.Save(); err != nil {
		t.Fatal(err)
	}
	got, ok, err := Load(want.Dir)
	if err != nil || !ok {
		t.Fatalf("loaded: %v, %v", ok, err)
	}
	if got.Plan != want.Plan || got.Supervisor != want.Supervisor || got.Mode != want.Mode {
		t.Errorf("loaded %+v, want %+v", got, want)
	}
}

func TestLoadNothing(t *testing.T) {
	dir := t.TempDir()
	if _, ok, err := Load(dir); ok || err != nil {
		t.Errorf("an empty folder: %v, %v, want no state and no error", ok, err)
	}
	if err := os.WriteFile(File(dir), []byte(`{"name": "de`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Load(dir); ok || err != nil {
		t.Errorf("a file cut short: %v, %v, want no state and no error", ok, err)
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "demo", "test-2", strings.Repeat("a", 30)} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "Demo", "-a", "a-", "2a", "a/b", "..", strings.Repeat("a", 31)} {
		err := CheckName(name)
		if err == nil || !strings.Contains(err.Error(), "must be") {
			t.Errorf("name %q: error is %v, want one that says what it must be", name, err)
		}
	}
}

func TestProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	p, err := Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Alive() {
		t.Error("process is not alive, want alive")
	}
	other := p
	other.Start++
	if other.Alive() {
		t.Error("a process with the same number that started later counts as the same")
	}
	if err := other.Kill(time.Second); err != nil || !p.Alive() {
		t.Errorf("killing another process: %v, and this one is alive: %v", err, p.Alive())
	}
	if p.Wait(time.Millisecond) {
		t.Error("waiting says that the process ended, but it runs")
	}
	if err := p.Kill(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	// Not waited for yet, it is a zombie now.
	if p.Alive() {
		t.Error("process is alive after it was killed")
	}
	if err := p.Kill(time.Second); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func TestNoProcess(t *testing.T) {
	if (Process{}).Alive() {
		t.Error("no process is alive")
	}
	if err := (Process{PID: 1 << 30}).Kill(time.Second); err != nil {
		t.Error(err)
	}
}
