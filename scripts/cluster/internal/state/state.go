// Package state keeps what is known of a cluster between one run of the
// launcher and the next: one folder for each cluster, one JSON file in it.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/cgroup"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
)

// A Mode says how much of a cluster runs.
type Mode string

const (
	Node         Mode = "node"
	ControlPlane Mode = "control-plane"
)

// A Phase says how far a cluster got.
type Phase string

const (
	Starting Phase = "starting"
	Running  Phase = "running"
)

// State is the content of the state file, which tests read too: the JSON names
// are an interface.
type State struct {
	Name        string    `json:"name"`
	Mode        Mode      `json:"mode"`
	Phase       Phase     `json:"phase"`
	Dir         string    `json:"dir"`
	Kubeconfig  string    `json:"kubeconfig"`
	Server      string    `json:"server"`
	HostAddress string    `json:"hostAddress"` // this machine, as seen from the cluster
	NodeAddress string    `json:"nodeAddress,omitempty"`
	NodeName    string    `json:"nodeName,omitempty"`
	PodCIDR     string    `json:"podCIDR,omitempty"`
	ServiceCIDR string    `json:"serviceCIDR"`
	Version     string    `json:"kubernetesVersion"`
	Kubectl     string    `json:"kubectl"`
	Containerd  string    `json:"containerd,omitempty"` // the folder of its programs
	Snapshotter string    `json:"snapshotter,omitempty"`
	StartedAt   time.Time `json:"startedAt"`
	Plan        plan.Plan `json:"plan"`
	Supervisor  Process   `json:"supervisor"`
	Traces      Traces    `json:"traces"`
}

// Traces are what a cluster leaves on the machine outside its folder. Each is
// named so that it cannot be mistaken for that of a later cluster.
type Traces struct {
	LinkIndex   int                `json:"linkIndex"`
	Cgroup      string             `json:"cgroup,omitempty"`
	Hierarchies []cgroup.Hierarchy `json:"hierarchies,omitempty"`
}

// A Process is named by more than its number: numbers are used again.
type Process struct {
	PID    int    `json:"pid"`
	Start  uint64 `json:"start"`  // clock ticks after boot, /proc/PID/stat field 22
	BootID string `json:"bootID"` // ticks start over with the machine
}

// CheckName says whether name can name a cluster. It becomes part of the
// node's name, hence a DNS label.
func CheckName(name string) error {
	if ok, _ := regexp.MatchString(`^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$`, name); ok {
		return nil
	}
	return fmt.Errorf("invalid cluster name %q, must be 1 to 30 lower-case letters, digits and inner hyphens, a letter first", name)
}

// File is the path of the state file of the cluster kept in dir.
func File(dir string) string { return filepath.Join(dir, "state.json") }

// Load reads the state of the cluster kept in dir; ok is false where there is
// none. A file cut short by a crash is no state either: what it described is
// found and removed by the traces it left on the machine.
func Load(dir string) (s State, ok bool, err error) {
	data, err := os.ReadFile(File(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, false, nil
	}
	if err != nil {
		return State{}, false, fmt.Errorf("cannot read cluster state: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil || s.Name == "" {
		return State{}, false, nil
	}
	return s, true, nil
}

// Save replaces the state file in one step.
func (s State) Save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := File(s.Dir) + ".tmp"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot write cluster state: %w", err)
	}
	return os.Rename(tmp, File(s.Dir))
}
