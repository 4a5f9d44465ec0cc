package source

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// pairRig is a reader of two mounts, with a clock of its own.
type pairRig struct {
	t                  *testing.T
	r                  *reader
	clock              *testclock.FakeClock
	log                bytes.Buffer
	troubles           *trouble.Log
	teller             teller
	injectDir, meshDir string
	hash               string
	inForce            *inject.Snapshot
}

func newPairRig(t *testing.T) *pairRig {
	rig := &pairRig{t: t, clock: testclock.NewFakeClock(time.Unix(1e9, 0)), injectDir: t.TempDir(), meshDir: t.TempDir()}
	rig.troubles = trouble.New(slog.New(slog.NewTextHandler(&rig.log, nil)), rig.clock)
	rig.r = &reader{
		files: Files{InjectConfig: filepath.Join(rig.injectDir, "config"), InjectValues: filepath.Join(rig.injectDir, "values"), MeshConfig: filepath.Join(rig.meshDir, "mesh")},
		log:   slog.New(slog.DiscardHandler), compiler: newCompiler(inject.Options{}), generations: generations{now: rig.clock.Now},
		now: rig.clock.Now, started: rig.clock.Now(), attempted: func() bool { return true },
	}
	rig.teller = teller{trouble: rig.troubles}
	return rig
}

// injects and meshes write a set into one of the two, stamped with a generation;
// "" for none.
func (rig *pairRig) injects(n int, generation string) {
	rig.write(rig.injectDir, "config", set(n)["config"])
	rig.write(rig.injectDir, "values", set(n)["values"])
	rig.stamp(rig.injectDir, generation)
}

func (rig *pairRig) meshes(n int, generation string) {
	rig.write(rig.meshDir, "mesh", set(n)["mesh"])
	rig.stamp(rig.meshDir, generation)
}

func (rig *pairRig) stamp(dir, generation string) {
	if generation == "" {
		_ = os.Remove(filepath.Join(dir, "generation"))
		return
	}
	rig.write(dir, "generation", generation)
}

func (rig *pairRig) write(dir, key, text string) {
	must(rig.t, os.WriteFile(filepath.Join(dir, key), []byte(text), 0o600))
}

// load loads once and returns for how long it wants to wait, and the numbers of
// the sets in force: of inject and of mesh.
func (rig *pairRig) load() (wait time.Duration, inForce string) {
	rig.t.Helper()
	before := rig.r.standing
	snapshot, hash, err := rig.r.load(rig.t.Context(), rig.hash)
	rig.teller.tell(&before, &rig.r.standing)
	var later *reload.Later
	var mixed *mixedError
	if errors.As(err, &later) {
		wait = later.Wait
	} else if err != nil && !errors.As(err, &mixed) {
		rig.t.Fatal(err)
	}
	if snapshot != nil {
		rig.inForce, rig.hash = snapshot, hash
	}
	if rig.inForce != nil {
		got, err := numbers(rig.inForce)
		must(rig.t, err)
		inForce = got[0] + got[3]
	}
	return wait, inForce
}

// want loads once.
func (rig *pairRig) want(what string, wait time.Duration, inForce string, trouble bool) {
	rig.t.Helper()
	gotWait, got := rig.load()
	if gotWait != wait || got != inForce {
		rig.t.Errorf("%s: waits %s with %q in force, want %s and %q", what, gotWait, got, wait, inForce)
	}
	if open := len(rig.troubles.Open()) > 0; open != trouble {
		rig.t.Errorf("%s: trouble is open: %t, want %t", what, open, trouble)
	}
}

func TestTwoMountsOfOneGeneration(t *testing.T) {
	rig := newPairRig(t)
	rig.injects(1, "g1")
	rig.meshes(1, "g1")
	rig.want("both there", 0, "11", false)
	rig.injects(2, "g2")
	rig.want("an upgrade, the first mount is there", mountWait, "11", false)
	rig.clock.Step(time.Minute)
	rig.want("a minute later", mountWait-time.Minute, "11", false)
	rig.meshes(2, "g2")
	rig.want("the other one is there", 0, "22", false)
	rig.meshes(1, "g1")
	rig.want("taken back, the other way round", mountWait, "22", false)
	rig.injects(1, "g1")
	rig.want("taken back", 0, "11", false)
}

func TestAGenerationThatNeverComes(t *testing.T) {
	rig := newPairRig(t)
	rig.injects(1, "g1")
	rig.meshes(1, "g1")
	rig.want("both there", 0, "11", false)
	rig.injects(2, "g2")
	rig.want("one of two", mountWait, "11", false)
	rig.clock.Step(mountWait - time.Second)
	rig.want("shortly before the end", time.Second, "11", false)
	rig.clock.Step(time.Second)
	rig.want("in vain", 0, "11", true)
	if got := rig.log.String(); !strings.Contains(got, `\"g2\"`) || !strings.Contains(got, "what is in force stays") || !strings.Contains(got, "bring both to one generation") {
		t.Errorf("the log does not say it:\n%s", got)
	}
	rig.meshes(3, "g1")
	rig.want("an edit by hand of the pair that was waited for", 0, "11", true)
	rig.injects(4, "g4")
	rig.want("an upgrade over that", mountWait, "11", true)
	rig.meshes(4, "g4")
	rig.want("and it is complete", 0, "44", false)
}

// What the two say counts, not their stamps.
func TestAnOldStampOnWhatIsInForce(t *testing.T) {
	rig := newPairRig(t)
	rig.injects(1, "g1")
	rig.meshes(1, "g1")
	rig.want("both there", 0, "11", false)
	rig.meshes(1, "g2")
	rig.want("another stamp", mountWait, "11", false)
	rig.clock.Step(mountWait)
	rig.want("in vain", 0, "11", true)
	if s := rig.r.standing; !s.newest || s.refusal != nil || s.mixed {
		t.Errorf("it is not the newest: %+v", s)
	}
	rig.injects(2, "g1")
	rig.want("a change", 0, "11", true)
	if s := rig.r.standing; s.newest || s.refusal == nil {
		t.Errorf("it is not refused: %+v", s)
	}
}

// Who does not stamp is not delayed.
func TestWithoutGenerations(t *testing.T) {
	rig := newPairRig(t)
	rig.injects(1, "")
	rig.meshes(1, "")
	rig.want("none", 0, "11", false)
	rig.injects(2, "")
	rig.want("none, one changes", 0, "21", false)
	rig.injects(3, "g3")
	rig.want("only the injection configuration", 0, "31", false)
	rig.meshes(4, "g3")
	rig.want("both", 0, "34", false)
	rig.meshes(5, "g3")
	rig.want("an edit by hand that keeps the stamp", 0, "35", false)
	rig.injects(6, "")
	rig.want("only the mesh configuration", 0, "65", false)
	rig.injects(7, strings.Repeat("x", maxGeneration+1))
	rig.want("a file of that name that is something else", 0, "75", false)
}

func TestStartBetweenTwoGenerations(t *testing.T) {
	rig := newPairRig(t)
	rig.injects(2, "g2")
	rig.meshes(1, "g1")
	rig.want("at the start", firstWait, "", false)
	rig.clock.Step(firstWait)
	rig.want("in vain", 0, "21", true)
	rig.meshes(2, "g2")
	rig.want("the other one comes later", 0, "22", false)
}

func TestTwoConfigMapsOfOneGeneration(t *testing.T) {
	rig := newPairRig(t)
	rig.injects(1, "g1")
	rig.meshes(1, "g1")
	var err error
	rig.r.injectMap, err = newConfigMapSource("ns/inject", keyInject, keyValues)
	must(t, err)
	rig.r.meshMap, err = newConfigMapSource("ns/mesh", keyMesh)
	must(t, err)
	injects := func(n int, generation string) {
		must(t, rig.r.injectMap.set(configMap(map[string]string{"config": set(n)["config"], "values": set(n)["values"], "generation": generation})))
	}
	meshes := func(n int, generation string) {
		must(t, rig.r.meshMap.set(configMap(map[string]string{"mesh": set(n)["mesh"], "generation": generation})))
	}
	rig.want("the mounts alone", 0, "11", false)
	injects(2, "g2")
	rig.want("a ConfigMap and a mount", mountWait, "11", false)
	meshes(2, "g2")
	rig.want("two ConfigMaps, while the mounts are as they were", 0, "22", false)
	meshes(3, "g3")
	rig.want("an upgrade", apiWait, "22", false)
	rig.clock.Step(apiWait / 2)
	meshes(4, "g4")
	rig.want("another one meanwhile, whose wait does not begin anew", apiWait/2, "22", false)
	injects(4, "g4")
	rig.want("complete", 0, "44", false)
	injects(5, "g4")
	rig.want("an edit by hand", 0, "54", false)

	// The API server goes away, and only mounts change: also one whose texts stay.
	rig.r.injectMap.setConnected(false)
	rig.r.meshMap.setConnected(false)
	rig.injects(5, "g5")
	rig.want("one mount of a new generation", mountWait, "54", false)
	rig.meshes(5, "g5")
	rig.want("both mounts", 0, "55", false)
}
