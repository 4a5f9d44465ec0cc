package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage reads what a process uses from /proc, so only on Linux.
type Usage struct{ pid int }

// Of the server.
func (s *Server) Usage() Usage { return Usage{s.PID()} }

// Resident memory now, in MiB.
func (u Usage) Resident() (float64, error) { return u.status("VmRSS") }

// Peak is the most resident memory since the last Forget, in MiB.
func (u Usage) Peak() (float64, error) { return u.status("VmHWM") }

// Forget starts a new peak.
func (u Usage) Forget() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", u.pid), []byte("5"), 0)
}

func (u Usage) status(field string) (float64, error) {
	path := fmt.Sprintf("/proc/%d/status", u.pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("memory is measured with Linux's /proc: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && name == field {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("%s: no field %s", path, field)
}

// ticks per second of the processor times in /proc, which is the same on every
// Linux that Go runs on.
const ticks = 100

// CPU is the processor time used so far, user and system, to 10 ms.
func (u Usage) CPU() (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", u.pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// The second field is the name in brackets, which may hold anything.
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("%s: cannot be read", path)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return time.Duration(user+system) * time.Second / ticks, nil
}
