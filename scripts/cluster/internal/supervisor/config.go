// Package supervisor starts, watches and stops the processes of one cluster.
// It is process 1 of the cluster's process namespace.
package supervisor

import (
	"encoding/json"
	"os"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/sandbox"
)

// A Component is one process to run.
type Component struct {
	Name string   `json:"name"`
	Path string   `json:"path"`
	Args []string `json:"args"` // the first is the name the program sees itself under
	Env  []string `json:"env"`
	Log  string   `json:"log"`
	// HostNetwork puts the process in the machine's network namespace.
	HostNetwork bool `json:"hostNetwork"`
	// Stop orders the shutdown: components with a lower number are gone before
	// those with a higher one are asked to stop.
	Stop int `json:"stop"`
	// Patience is how long the process may take to stop by itself.
	Patience time.Duration `json:"patience"`
	// Health is a URL that answers 200 while the component works, as seen from
	// the machine.
	Health string `json:"health"`
}

// Config is what the supervisor of one cluster needs to know.
type Config struct {
	Dir        string         `json:"dir"` // the control socket is in it
	Sandbox    sandbox.Config `json:"sandbox"`
	Components []Component    `json:"components"`
}

// Load reads a Config written by Save.
func Load(path string) (Config, error) {
	var c Config
	data, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(data, &c)
}

// Save writes c for Load.
func (c Config) Save(path string) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// A Status is what has become of a component.
type Status struct {
	Name  string    `json:"name"`
	State string    `json:"state"`         // running, stopped, exited
	PID   int       `json:"pid,omitempty"` // in the cluster's process namespace
	Since time.Time `json:"since,omitzero"`
	Exit  string    `json:"exit,omitempty"` // how it ended
}

// States of a component. Stopped is what was asked for, exited what was not.
const (
	StateNew     = "not started"
	StateRunning = "running"
	StateStopped = "stopped"
	StateExited  = "exited"
)
