//go:build integration && linux

package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"
)

// Texts that a configuration leaves in every injected pod, by its set.
const (
	markA = "set-a.example.com"
	markB = "set-b.example.com"
)

// mark makes configuration, values and mesh configuration of one set, each with
// the set's mark.
func mark(config, values, mesh []byte, set string) (map[string]map[string][]byte, error) {
	text := map[string]string{"a": markA, "b": markB}[set]
	edit := func(data []byte, change func(map[string]any)) []byte {
		var m map[string]any
		if err := yaml.Unmarshal(data, &m); err != nil {
			panic(err) // the chart's own, which the server has loaded before
		}
		change(m)
		return []byte(encoded(m))
	}
	generation := []byte(set)
	return map[string]map[string][]byte{
		injectMount: {
			"config":     edit(config, func(m map[string]any) { m["injectedAnnotations"] = map[string]any{"istio.io/set": text} }),
			"values":     edit(values, func(m map[string]any) { m["global"].(map[string]any)["meshID"] = text }),
			"generation": generation,
		},
		meshMount: {
			"mesh":       edit(mesh, func(m map[string]any) { m["trustDomain"] = text }),
			"generation": generation,
		},
	}, nil
}

// setOf says of which set a patch is. A mixture is an error.
func setOf(patch []byte) (string, error) {
	a, b := bytes.Count(patch, []byte(markA)), bytes.Count(patch, []byte(markB))
	switch {
	case a == 3 && b == 0:
		return "a", nil
	case b == 3 && a == 0:
		return "b", nil
	}
	return "", fmt.Errorf("a mixture: %d marks of set a, %d of set b, want 3 of one", a, b)
}

// editConfig changes the injection configuration in a folder.
func editConfig(change func(map[string]any)) func(folder string) error {
	return func(folder string) error {
		path := filepath.Join(folder, "config")
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var m map[string]any
		if err := yaml.Unmarshal(data, &m); err != nil {
			return err
		}
		change(m)
		return os.WriteFile(path, []byte(encoded(m)), 0o600)
	}
}

// swapCases change between two good configurations without a pause.
func swapCases() []hostileCase {
	const pause = 10 * time.Millisecond
	const rightly = "each answer comes from one whole configuration, and the last one comes into force"
	return []hostileCase{
		{
			name:  "both mounts swapped every 10 ms",
			does:  "replaces the link of one mount and then of the other by those of another generation, again and again",
			right: rightly,
			run: func(a *attack) {
				swaps := a.swap(pause, func(set string, i int) error {
					mount := []string{injectMount, meshMount}[i%2]
					return a.server.mounts.publish(mount, a.server.mounts.good(mount, set), nil)
				}, 2, func() bool { return true })
				a.notef("%d swaps", swaps)
				a.recovers()
			},
		},
		{
			name:  "one directory link swapped every 10 ms",
			does:  "starts a server whose files all lie behind one link, and replaces that link by one to another whole set",
			right: rightly,
			run:   func(a *attack) { a.linked(pause) },
		},
	}
}

// swap changes sets until the time is over and it was enough; a set takes some
// steps.
func (a *attack) swap(pause time.Duration, change func(set string, i int) error, steps int, enough func() bool) (swaps int) {
	ctx, cancel := context.WithTimeout(a.ctx, loadedWithin+3*a.lasts)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for begin := time.Now(); ; swaps++ {
		select {
		case <-ctx.Done():
			return swaps
		case <-tick.C:
		}
		if time.Since(begin) > 3*a.lasts && enough() {
			return swaps
		}
		if err := change([]string{"b", "a"}[swaps/steps%2], swaps); err != nil {
			a.wrongf("%v", err)
			return swaps
		}
	}
}

// linked has a server of its own, because its files lie otherwise.
func (a *attack) linked(pause time.Duration) {
	folder, err := os.MkdirTemp(a.server.folder, "linked-")
	if err != nil {
		a.wrongf("%v", err)
		return
	}
	// Apart from the certificates: a, b, the link to one of them, and a link to each
	// file behind it, which lies in the folder that is watched.
	site := filepath.Join(folder, "site")
	for set, bySet := range a.server.mounts.sets {
		if err := os.MkdirAll(filepath.Join(site, set), 0o700); err != nil {
			a.wrongf("%v", err)
			return
		}
		for _, files := range bySet {
			for name, data := range files {
				if err := os.WriteFile(filepath.Join(site, set, name), data, 0o600); err != nil {
					a.wrongf("%v", err)
					return
				}
			}
		}
	}
	point := func(set string, _ int) error {
		if err := os.Symlink(set, filepath.Join(site, "next")); err != nil {
			return err
		}
		return os.Rename(filepath.Join(site, "next"), filepath.Join(site, "live"))
	}
	if err := point("a", 0); err != nil {
		a.wrongf("%v", err)
		return
	}
	for _, name := range []string{"config", "values", "mesh", "generation"} {
		if err := os.Symlink(filepath.Join("live", name), filepath.Join(site, name)); err != nil {
			a.wrongf("%v", err)
			return
		}
	}
	live := func(name string) string { return filepath.Join(site, name) }
	s, err := startInjector(a.ctx, a.program, folder, a.setup, "--injectConfig="+live("config"), "--injectValues="+live("values"), "--meshConfig="+live("mesh"))
	if err != nil {
		a.wrongf("%v", err)
		return
	}
	defer func() {
		if err := s.stop(); err != nil {
			a.wrongf("%v", err)
		}
	}()
	other := &attack{ctx: a.ctx, server: s, lasts: a.lasts, peer: a.peer, body: a.body}
	seen := map[string]int{}
	calling, stop := context.WithCancel(a.ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		by := s.newCaller(a.peer, false)
		defer by.http.CloseIdleConnections()
		asking := &attack{ctx: calling, lasts: 2 * time.Minute} // until it is stopped
		asking.clients(2, func(context.Context, int) {
			got := by.send(a.ctx, a.body, goodTimeout)
			if !got.allowed() {
				other.wrongf("%s", got)
				return
			}
			set, err := setOf(got.response.Patch)
			if err != nil {
				other.wrongf("%v", err)
			}
			other.mu.Lock()
			seen[set]++
			other.mu.Unlock()
		})
	}()
	// Which set is read is chance: enough is when answers have come from both.
	swaps := a.swap(pause, point, 1, func() bool {
		other.mu.Lock()
		defer other.mu.Unlock()
		return seen["a"] > 0 && seen["b"] > 0
	})
	stop()
	<-done
	if err := errors.Join(point("b", 0), a.ctx.Err()); err != nil {
		a.wrongf("%v", err)
	}
	other.inForce("b")
	for _, w := range other.wrong {
		a.wrongf("%s", w)
	}
	if seen["a"] == 0 || seen["b"] == 0 {
		a.wrongf("answers by configuration: %v, want both", seen)
	}
	a.notef("%d swaps, answers by configuration: %v", swaps, seen)
}
