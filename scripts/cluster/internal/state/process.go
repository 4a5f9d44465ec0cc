package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Identify describes the running process pid.
func Identify(pid int) (Process, error) {
	start, err := startTime(pid)
	if err != nil {
		return Process{}, err
	}
	boot, err := bootID()
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, Start: start, BootID: boot}, nil
}

// Alive says whether p, and not another process with its number, still runs.
func (p Process) Alive() bool {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	now, err := Identify(p.PID)
	// The state in /proc would not do: a process that is starting another
	// program may look for a moment as if it had ended.
	return err == nil && now == p && !wait(fd, 0)
}

// Kill ends p at once and waits until it is gone. The process is held by a
// descriptor meanwhile, so that its number cannot come to mean another.
func (p Process) Kill(timeout time.Duration) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot open process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if !p.Alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot end process %d: %w", p.PID, err)
	}
	if !wait(fd, timeout) {
		return fmt.Errorf("process %d still runs %s after it was killed", p.PID, timeout)
	}
	return nil
}

// Wait reports whether p ended within timeout.
func (p Process) Wait(timeout time.Duration) bool {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	now, err := Identify(p.PID)
	return err != nil || now != p || wait(fd, timeout)
}

// wait relies on a process descriptor becoming readable when its process ends.
func wait(fd int, timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	for {
		left := max(0, time.Until(deadline).Milliseconds())
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n > 0
	}
}

func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in parentheses, which may itself
	// hold blanks and parentheses: count from the last one.
	_, rest, _ := bytes.Cut(data[max(0, bytes.LastIndexByte(data, ')')):], []byte(") "))
	fields := strings.Fields(string(rest))
	const starttime = 19 // field 22
	if len(fields) <= starttime {
		return 0, fmt.Errorf("/proc/%d/stat has only %d fields after the name", pid, len(fields))
	}
	return strconv.ParseUint(fields[starttime], 10, 64)
}

func bootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data)), err
}
