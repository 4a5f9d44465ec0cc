//go:build integration && linux

package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/guard"
)

// reviewCases ask the server, as an API server does, whether configurations may be
// stored.
func reviewCases() []hostileCase {
	return []hostileCase{{
		name:  "configurations to be judged, from six callers",
		does:  "asks without a pause whether each of the configurations that cost much may be stored",
		right: "judged one at a time or turned away; a good client's pods and its good configuration are answered",
		run:   (*attack).judged,
	}}
}

// storedAs is the ConfigMap that has all parts of the configuration, so that templates
// are tried without an API server to read another one from.
const storedAs = "hostile/configuration"

// judged has a server of its own, because the other ones know of no ConfigMap.
func (a *attack) judged() {
	folder, err := os.MkdirTemp(a.server.folder, "judged-")
	if err != nil {
		a.wrongf("%v", err)
		return
	}
	away := filepath.Join(folder, "kubeconfig")
	const nobody = `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`
	if err := os.WriteFile(away, []byte(nobody), 0o600); err != nil {
		a.wrongf("%v", err)
		return
	}
	s, err := startInjector(a.ctx, a.program, folder, a.setup, "--kubeconfig="+away, "--injectConfigMap="+storedAs, "--meshConfigMap="+storedAs)
	if err != nil {
		a.wrongf("%v", err)
		return
	}
	defer func() {
		peak, _ := s.group.peak()
		a.notef("peak %d MiB", peak>>20)
		if err := s.stop(); err != nil {
			a.wrongf("%v", err)
		}
	}()
	asked, good, err := a.configurations(folder)
	if err != nil {
		a.wrongf("%v", err)
		return
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	calling, stop := context.WithCancel(a.ctx)
	var hostile sync.WaitGroup
	for peer := range 6 {
		hostile.Go(func() {
			by := s.newCaller(hostilePeer(200+peer), false)
			defer by.http.CloseIdleConnections()
			by.url = "https://127.0.0.1:" + s.webhook + guard.Path
			for i := peer; calling.Err() == nil; i++ {
				got := by.send(calling, asked[i%len(asked)], goodTimeout)
				mu.Lock()
				statuses[got.status]++
				mu.Unlock()
			}
		})
	}
	pods, reviews := s.newCaller(goodAddress, false), s.newCaller(goodAddress, false)
	reviews.url = "https://127.0.0.1:" + s.webhook + guard.Path
	end := time.Now().Add(max(a.lasts, 4*time.Second))
	judgements := 0
	for first := true; first || time.Now().Before(end); first = false {
		if got := pods.send(a.ctx, a.body, goodTimeout); !got.allowed() {
			a.wrongf("a good pod: %s", got)
		}
		// The chart's timeout for this webhook.
		if got := reviews.send(a.ctx, good, 15*time.Second); !got.allowed() {
			a.wrongf("a good configuration: %s", got)
		}
		judgements++
	}
	stop()
	hostile.Wait()
	a.notef("%d good configurations judged meanwhile", judgements)
	delete(statuses, 0) // the last one of each caller
	for status := range statuses {
		if !slices.Contains([]int{http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable}, status) {
			a.wrongf("%d answers of status %d", statuses[status], status)
		}
	}
	if statuses[http.StatusOK] == 0 {
		a.wrongf("nothing hostile was judged: %v", statuses)
	}
}

// configurations are reviews of all configurations that cost much, and of a good one.
func (a *attack) configurations(folder string) (hostile [][]byte, good []byte, err error) {
	sets := a.server.mounts.sets["a"]
	all := map[string]string{}
	for _, files := range sets {
		for name, data := range files {
			all[name] = string(data)
		}
	}
	good = configurationReview(all)
	for i, b := range bombs() {
		at := filepath.Join(folder, fmt.Sprintf("bomb-%d", i))
		if err := os.Mkdir(at, 0o700); err != nil {
			return nil, nil, err
		}
		for name, data := range sets[b.mount] {
			if err := os.WriteFile(filepath.Join(at, name), data, 0o600); err != nil {
				return nil, nil, err
			}
		}
		if err := b.put(at); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", b.name, err)
		}
		data := maps.Clone(all)
		for name := range sets[b.mount] {
			// What is no file is no text of a ConfigMap, either, nor what none can hold.
			if info, err := os.Lstat(filepath.Join(at, name)); err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
				delete(data, name)
				continue
			}
			text, err := os.ReadFile(filepath.Join(at, name))
			if err != nil {
				return nil, nil, err
			}
			data[name] = string(text)
		}
		hostile = append(hostile, configurationReview(data))
	}
	return hostile, good, nil
}

// configurationReview is what an API server sends about the ConfigMap.
func configurationReview(data map[string]string) []byte {
	namespace, name := filepath.Split(storedAs)
	namespace = filepath.Clean(namespace)
	body, _ := json.Marshal(map[string]any{ // of strings
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": map[string]any{
			"uid": "1", "kind": map[string]string{"version": "v1", "kind": "ConfigMap"}, "operation": "CREATE", "namespace": namespace, "name": name,
			"object": map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"namespace": namespace, "name": name}, "data": data},
		},
	})
	return body
}
