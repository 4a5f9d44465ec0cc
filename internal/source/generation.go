package source

import (
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// Two ConfigMaps never change together. Whoever writes both stamps them with one
// generation, a text under the key "generation" that differs from one pair to the
// next, as the chart does. While the two differ, the one in force stays, for a
// time; see docs/decisions/0014-generations.md.
const (
	// apiWait is how long one ConfigMap waits for the other where both are followed
	// through the API server. Helm writes them within milliseconds; the rest is for
	// an API server under load and for a watch that was lost.
	apiWait = 10 * time.Second
	// mountWait is the same where one is a mount: a kubelet looks at a pod's mounts
	// about once a minute, and its copy of a ConfigMap may be a minute old.
	mountWait = 2 * time.Minute
	// firstWait is the same at the start, when there is nothing in force that
	// could stay and pods wait.
	firstWait = 5 * time.Second
)

// generationsTrouble is the name of the trouble that the configuration in force
// is made of two generations.
const generationsTrouble = "configuration generations"

// generations decides how long two ConfigMaps of different generations wait for
// each other. A pair that was waited for in vain is waited for only once, so that
// who edits one of them by hand, or keeps an old stamp in one, waits no more.
type generations struct {
	now     func() time.Time
	trouble *trouble.Log
	// since is when the two began to differ; zero while they do not.
	since time.Time
	// inVain are the two that were waited for in vain.
	inVain [2]string
}

// wait returns how long to wait before what was found is taken; 0: take it now.
func (g *generations) wait(f found, first bool) time.Duration {
	pair := [2]string{f.inject, f.mesh}
	switch {
	case f.inject == f.mesh, f.inject == "", f.mesh == "":
		g.since, g.inVain = time.Time{}, [2]string{}
		g.trouble.Clear(generationsTrouble)
		return 0
	case pair == g.inVain:
		return 0
	}
	now := g.now()
	if g.since.IsZero() {
		g.since = now
	}
	if rest := g.limit(f, first) - now.Sub(g.since); rest > 0 {
		return rest
	}
	g.trouble.Report(generationsTrouble, fmt.Sprintf("%s, after %s in vain: both are taken as they are; bring both to one generation, or remove the key %q from one that the chart does not write",
		f.difference(), now.Sub(g.since).Round(time.Second), keyGeneration))
	g.since, g.inVain = time.Time{}, pair
	return 0
}

func (g *generations) limit(f found, first bool) time.Duration {
	switch {
	case first:
		return firstWait
	case f.mounted:
		return mountWait
	}
	return apiWait
}

// difference says which generations were found.
func (f found) difference() string {
	return fmt.Sprintf("the injection configuration is of generation %.16q, the mesh configuration of %.16q", f.inject, f.mesh)
}
