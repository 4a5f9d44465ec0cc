//go:build integration && linux

package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// loadedWithin is how long a configuration may take until it is in force, or is
// refused.
const loadedWithin = 15 * time.Second

// configurationCases change the configuration of a running server.
func configurationCases() []hostileCase {
	const rightly = "refused, or harmless: the last good one stays in force, good calls go on, and the next good one is taken"
	var cases []hostileCase
	for _, b := range bombs() {
		cases = append(cases, hostileCase{
			name: "configuration: " + b.name, does: "puts it where the configuration is", right: rightly,
			run: func(a *attack) {
				s := a.server.mounts
				before, err := a.loaded()
				if err != nil {
					a.wrongf("%v", err)
					return
				}
				begin := time.Now()
				if err := s.publish(b.mount, s.good(b.mount, "a"), b.put); err != nil {
					a.wrongf("%v", err)
					return
				}
				if err := until(a.ctx, loadedWithin, "the configuration to be taken or refused", func() error {
					now, err := a.loaded()
					if err == nil && now == before {
						err = errors.New("the last good one is in force and nothing is said")
					}
					return err
				}); err != nil {
					a.wrongf("%v", err)
				}
				a.notef("refused or taken after %d ms", time.Since(begin).Milliseconds())
				a.recovers()
			},
		})
	}
	return append(cases, swapCases()...)
}

// loaded is which configuration is in force since when, and since when another is
// refused.
func (a *attack) loaded() (string, error) {
	ctx, cancel := context.WithTimeout(a.ctx, time.Second)
	defer cancel()
	page, err := a.server.page(ctx, scraperAddress, "/debug/config")
	if err != nil {
		return "", err
	}
	var state struct {
		Configuration struct{ LoadedAt, FailedAt, Error string }
	}
	if err := json.Unmarshal([]byte(page), &state); err != nil {
		return "", err
	}
	if len(page) > 64<<10 {
		a.wrongf("/debug/config has %d bytes", len(page))
	}
	return state.Configuration.LoadedAt + " " + state.Configuration.FailedAt, nil
}

// recovers publishes two good configurations, and each must come into force.
func (a *attack) recovers() {
	s := a.server.mounts
	for _, set := range []string{"b", "a"} {
		for _, mount := range []string{injectMount, meshMount} {
			if err := s.publish(mount, s.good(mount, set), nil); err != nil {
				a.wrongf("%v", err)
				return
			}
		}
		a.inForce(set)
	}
}

// inForce waits until good pods get what the set says.
func (a *attack) inForce(set string) {
	by := a.server.newCaller(a.peer, false)
	defer by.http.CloseIdleConnections()
	if err := until(a.ctx, loadedWithin, "configuration "+set+" to be in force", func() error {
		got := by.send(a.ctx, a.body, 5*time.Second)
		if !got.allowed() {
			return errors.New(got.String())
		}
		is, err := setOf(got.response.Patch)
		if err == nil && is != set {
			err = fmt.Errorf("configuration %s is", is)
		}
		return err
	}); err != nil {
		a.wrongf("%v", err)
	}
}

// The mounts of the two ConfigMaps.
const (
	injectMount = "inject"
	meshMount   = "mesh"
)

// mounts are folders as a kubelet makes them: each file is a link to one of the
// same name behind the link ..data, which is replaced as a whole.
type mounts struct {
	folder string
	// sets are the good configurations, a and b: by mount, the files.
	sets  map[string]map[string]map[string][]byte
	count int
}

func newMounts(folder string, config, values, mesh []byte) (*mounts, error) {
	m := &mounts{folder: filepath.Join(folder, "mounts"), sets: map[string]map[string]map[string][]byte{}}
	for _, set := range []string{"a", "b"} {
		marked, err := mark(config, values, mesh, set)
		if err != nil {
			return nil, err
		}
		m.sets[set] = marked
	}
	for mount, files := range m.sets["a"] {
		if err := os.MkdirAll(filepath.Join(m.folder, mount), 0o700); err != nil {
			return nil, err
		}
		if err := m.publish(mount, files, nil); err != nil {
			return nil, err
		}
		for name := range files {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.folder, mount, name)); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func (m *mounts) flags() []string {
	return []string{
		"--injectConfig=" + filepath.Join(m.folder, injectMount, "config"), "--injectValues=" + filepath.Join(m.folder, injectMount, "values"),
		"--meshConfig=" + filepath.Join(m.folder, meshMount, "mesh"),
	}
}

func (m *mounts) good(mount, set string) map[string][]byte { return m.sets[set][mount] }

// publish writes files into a new folder, lets put change them there, and swaps
// the link.
func (m *mounts) publish(mount string, files map[string][]byte, put func(folder string) error) error {
	m.count++
	name := fmt.Sprintf("..set-%d", m.count)
	folder := filepath.Join(m.folder, mount, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	for file, data := range files {
		if err := os.WriteFile(filepath.Join(folder, file), data, 0o600); err != nil {
			return err
		}
	}
	if put != nil {
		if err := put(folder); err != nil {
			return err
		}
	}
	data := filepath.Join(m.folder, mount, "..data")
	last, _ := os.Readlink(data) // there is none at first
	if err := os.Symlink(name, data+"_tmp"); err != nil {
		return err
	}
	if err := os.Rename(data+"_tmp", data); err != nil {
		return err
	}
	if last == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(m.folder, mount, last))
}

// bomb is a configuration that costs much, or is none.
type bomb struct {
	name, mount string
	put         func(folder string) error
}

func bombs() []bomb {
	template := func(name, text string) bomb {
		return bomb{"template: " + name, injectMount, editConfig(func(c map[string]any) {
			c["templates"].(map[string]any)["bomb"] = text
			c["defaultTemplates"] = []any{"sidecar", "bomb"}
		})}
	}
	file := func(name, mount, file, text string) bomb {
		return bomb{name, mount, func(folder string) error { return os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600) }}
	}
	special := func(name, mount, file string, put func(path string) error) bomb {
		return bomb{name, mount, func(folder string) error {
			path := filepath.Join(folder, file)
			if err := os.Remove(path); err != nil {
				return err
			}
			return put(path)
		}}
	}
	laughs := func(before string) string {
		var b strings.Builder
		b.WriteString(before + "a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
		for i := range 40 {
			fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 9), ","))
		}
		return b.String()
	}
	doubling := func(depth int) string {
		var b strings.Builder
		for i := range depth {
			fmt.Fprintf(&b, `{{ define "d%d" }}{{ template "d%d" . }}{{ template "d%d" . }}{{ end }}`, i, i+1, i+1)
		}
		fmt.Fprintf(&b, `{{ define "d%d" }}x{{ end }}{{ template "d0" . }}`, depth)
		return b.String()
	}
	return []bomb{
		{"20,000 tiny templates", injectMount, editConfig(func(c map[string]any) {
			for i := range 20_000 {
				c["templates"].(map[string]any)[fmt.Sprintf("t%d", i)] = fmt.Sprintf("spec: {x: {{ %d }}}", i)
			}
		})},
		{"20,000 aliases", injectMount, editConfig(func(c map[string]any) {
			aliases := map[string]any{}
			for i := range 20_000 {
				aliases[fmt.Sprintf("a%d", i)] = []any{"sidecar", fmt.Sprintf("a%d", (i+1)%20_000)}
			}
			c["aliases"] = aliases
		})},
		{"20,000 selectors", injectMount, editConfig(func(c map[string]any) {
			var selectors []any
			for i := range 20_000 {
				selectors = append(selectors, map[string]any{"matchLabels": map[string]any{fmt.Sprintf("l%d", i): "v"}})
			}
			c["neverInjectSelector"] = selectors
		})},
		template("a constant regular expression over 300 KB", `{{ $x := regexMatch "(a?){900}(a?){900}$" "`+strings.Repeat("a", 300<<10)+`b" }}`),
		template("a regular expression of 300 KB", `{{ $x := regexMatch "`+strings.Repeat("(a|b)*", 50<<10)+`" "ab" }}`),
		template("regular expressions within each other", `{{ $x := regexMatch "((((a{100}){100}){100}){100})" "ab" }}`),
		template("repeat", `{{ $x := repeat 1000000000 "xxxxxxxxxx" }}`),
		template("repeat of repeat", `{{ $x := "x" }}{{ range until 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`),
		template("printf width", `{{ $x := printf "%999999999d" 1 }}{{ $y := printf "%0999999.999999f%0999999.999999f" 1.0 2.0 }}`),
		template("printf width by argument", `{{ $x := printf "%*d" 900000000 1 }}`),
		template("until", `{{ range until 1000000000 }}{{ end }}`),
		template("ranges within each other", `{{ range until 9999 }}{{ range until 9999 }}{{ range until 9999 }}{{ end }}{{ end }}{{ end }}`),
		template("a definition that calls itself", `{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`),
		template("definitions that call each other", `{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`),
		template("definitions that double", doubling(40)),
		template("100,000 definitions", list(100_000, `{{ define "d%d" }}x{{ end }}`)),
		template("parentheses", "{{ "+strings.Repeat("(", 100_000)+"1"+strings.Repeat(")", 100_000)+" }}"),
		template("nested conditions", strings.Repeat("{{ if true }}", 30_000)+strings.Repeat("{{ end }}", 30_000)),
		template("a pipe of 100,000", "{{ 1 "+strings.Repeat("| print ", 100_000)+"}}"),
		template("a list of lists", `{{ $x := list }}{{ range until 9000 }}{{ $x = append $x $x }}{{ end }}{{ $x | toJSON }}`),
		template("a map that holds itself", `{{ $x := dict }}{{ $_ := set $x "x" $x }}{{ $x | toJSON }}`),
		template("YAML that unfolds", laughs("")),
		file("YAML aliases in the configuration", injectMount, "config", laughs("policy: enabled\n")),
		file("YAML aliases in the values", injectMount, "values", laughs("")),
		file("YAML aliases in the mesh configuration", meshMount, "mesh", laughs("")),
		file("values nested deep", injectMount, "values", strings.Repeat(`{"a":`, 150_000)+"1"+strings.Repeat("}", 150_000)),
		file("mesh configuration nested deep", meshMount, "mesh", "a: "+strings.Repeat("[", 400_000)+strings.Repeat("]", 400_000)),
		file("configuration nested deep", injectMount, "config", strings.Repeat("- ", 400_000)),
		file("values that are no text", injectMount, "values", strings.Repeat("\x00\xff", 1000)),
		file("nothing", injectMount, "config", ""),
		special("a FIFO as configuration", injectMount, "config", func(path string) error { return syscall.Mkfifo(path, 0o600) }),
		special("a FIFO as values", injectMount, "values", func(path string) error { return syscall.Mkfifo(path, 0o600) }),
		special("a FIFO as mesh configuration", meshMount, "mesh", func(path string) error { return syscall.Mkfifo(path, 0o600) }),
		special("a link to /dev/zero", injectMount, "values", func(path string) error { return os.Symlink("/dev/zero", path) }),
		special("a link to itself", injectMount, "config", func(path string) error { return os.Symlink(filepath.Base(path), path) }),
		special("a folder", injectMount, "config", func(path string) error { return os.Mkdir(path, 0o700) }),
		special("a file of 1 GiB", injectMount, "config", func(path string) error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			return errors.Join(f.Truncate(1<<30), f.Close())
		}),
	}
}
