package source

import (
	"fmt"
	"time"
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

// generationsTrouble is the name of the trouble that the cluster holds two generations.
const generationsTrouble = "configuration generations"

// generations decides how long two ConfigMaps of different generations wait for
// each other.
type generations struct {
	now func() time.Time
	// since is when the two began to differ; zero while they do not.
	since time.Time
	// inVain are the two that were waited for in vain. They are not waited for again.
	inVain [2]string
}

// wait returns how long to wait before what was found is judged; 0: judge it now.
// Where it was waited for in vain, mixed says so: the two do not belong together.
func (g *generations) wait(f found, first bool) (rest time.Duration, mixed *mixedError) {
	pair := [2]string{f.inject, f.mesh}
	if f.inject == f.mesh || f.inject == "" || f.mesh == "" {
		g.since, g.inVain = time.Time{}, [2]string{}
		return 0, nil
	}
	if pair == g.inVain {
		return 0, &mixedError{f.difference()}
	}
	now := g.now()
	if g.since.IsZero() {
		g.since = now
	}
	if rest := g.limit(f, first) - now.Sub(g.since); rest > 0 {
		return rest, nil
	}
	g.since, g.inVain = time.Time{}, pair
	return 0, &mixedError{f.difference()}
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

// mixedError is that two ConfigMaps do not belong together.
type mixedError struct{ difference string }

func (e *mixedError) Error() string {
	return fmt.Sprintf("%s, and waiting for the other one was in vain: bring both to one generation, as helm upgrade or helm rollback does, or remove the key %q from one that the chart does not write", e.difference, keyGeneration)
}
