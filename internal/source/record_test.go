package source

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// recordRig is a pairRig with a mounted record.
type recordRig struct {
	*pairRig
	dir string
}

func newRecordRig(t *testing.T) *recordRig {
	rig := &recordRig{newPairRig(t), t.TempDir()}
	rig.r.records.dir = rig.dir
	return rig
}

// records mounts a record of these documents.
func (rig *recordRig) records(config, values, mesh string, since time.Time) {
	rig.t.Helper()
	for key, text := range map[string]string{"config.gz": config, "values.gz": values, "mesh.gz": mesh} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		must(rig.t, w.Close())
		rig.write(rig.dir, key, b.String())
	}
	rig.write(rig.dir, "since", since.UTC().Format(time.RFC3339))
	rig.write(rig.dir, "version", "v0")
	rig.write(rig.dir, "digest", lastgood.Documents{Config: []byte(config), Values: []byte(values), Mesh: []byte(mesh)}.Digest())
}

func (rig *recordRig) recordsSet(n int) {
	rig.records(set(n)["config"], set(n)["values"], set(n)["mesh"], time.Unix(int64(n), 0))
}

// step loads once, and returns what is in force and what was said.
func (rig *recordRig) step() (inForce string, err error) {
	rig.t.Helper()
	before := rig.r.standing
	snapshot, hash, err := rig.r.load(rig.t.Context(), rig.hash)
	rig.teller.tell(&before, &rig.r.standing)
	if snapshot != nil {
		rig.inForce, rig.hash = snapshot, hash
	}
	if rig.inForce == nil {
		return "", err
	}
	got, numbersErr := numbers(rig.inForce)
	must(rig.t, numbersErr)
	return got[0] + got[3], err
}

func (rig *recordRig) wants(what, inForce, refused string) {
	rig.t.Helper()
	got, err := rig.step()
	if got != inForce {
		rig.t.Errorf("%s: in force is %q, want %q", what, got, inForce)
	}
	if refused == "" && err != nil || refused != "" && (err == nil || !strings.Contains(err.Error(), refused)) {
		rig.t.Errorf("%s: said %v, want %q", what, err, refused)
	}
}

func (rig *recordRig) breaks() {
	rig.write(rig.injectDir, "config", "policy: sometimes\ntemplates: {sidecar: x}\n")
}

func TestARecordIsServedWhileNothingBetterIsThere(t *testing.T) {
	rig := newRecordRig(t)
	rig.meshes(1, "")
	rig.breaks()
	rig.recordsSet(3)
	rig.wants("a start", "33", "policy")
	if s := rig.r.standing; !s.recorded || s.newest || s.inForce.Version != "v0" || s.refusal == nil || !s.refusal.Since.Equal(rig.clock.Now()) {
		t.Errorf("standing is %+v", s)
	}
	since := rig.r.standing.refusal.Since
	rig.clock.Step(time.Hour)
	rig.wants("later", "33", "policy")
	if got := rig.r.standing.refusal.Since; !got.Equal(since) {
		t.Errorf("refused since %s, want %s: it is the same", got, since)
	}
	rig.recordsSet(4)
	rig.wants("another server has recorded another one", "44", "policy")
	rig.write(rig.dir, "digest", "0")
	rig.wants("the record is damaged", "44", "policy")
	rig.injects(5, "")
	rig.wants("mended", "51", "")
	if s := rig.r.standing; s.recorded || !s.newest || s.refusal != nil {
		t.Errorf("standing is %+v", s)
	}
	rig.breaks()
	rig.recordsSet(6)
	rig.wants("refused while another one is in force", "51", "policy")
	if open := rig.troubles.Open(); fmt.Sprint(open) != "["+refusedTrouble+"]" {
		t.Errorf("troubles %q", open)
	}
}

// A start waits for the API server, which may have a better configuration than mounts.
func TestARecordIsNotServedBeforeTheAPIServerWasAsked(t *testing.T) {
	rig := newRecordRig(t)
	rig.meshes(1, "")
	rig.breaks()
	rig.recordsSet(3)
	asked := false
	rig.r.attempted = func() bool { return asked }
	var later *reload.Later
	if inForce, err := rig.step(); inForce != "" || !errors.As(err, &later) || later.Wait != startWait || !strings.Contains(later.Reason, "policy") {
		t.Errorf("in force is %q, %v", inForce, err)
	}
	rig.clock.Step(startWait)
	rig.wants("in vain", "33", "policy")
}

func TestTwoGenerationsWithARecord(t *testing.T) {
	rig := newRecordRig(t)
	rig.injects(2, "g2")
	rig.meshes(1, "g1")
	rig.recordsSet(1)
	var later *reload.Later
	if _, err := rig.step(); !errors.As(err, &later) {
		t.Errorf("at the start: %v", err)
	}
	rig.clock.Step(firstWait)
	rig.wants("in vain", "11", "bring both to one generation")
	if open := rig.troubles.Open(); fmt.Sprint(open) != "["+generationsTrouble+"]" {
		t.Errorf("troubles %q: one mistake is told once", open)
	}
	rig.meshes(2, "g2")
	rig.wants("complete", "22", "")
}

// A mixture that there is nothing better than is served and not taken for good.
func TestAMixtureIsNotRecorded(t *testing.T) {
	rig := newRecordRig(t)
	rig.injects(2, "g2")
	rig.meshes(1, "g1")
	_, _ = rig.step()
	rig.clock.Step(firstWait)
	rig.wants("nothing else", "21", "")
	s := &Source{}
	s.standing.Store(&rig.r.standing)
	if state := s.recordState(); state.Newest {
		t.Errorf("it counts as good: %+v", state)
	}
	rig.meshes(1, "g2")
	rig.wants("the stamp was all that was wrong", "21", "")
	if state := s.recordState(); !state.Newest {
		t.Errorf("it does not count as good: %+v", state)
	}
}

// Documents equal to the recorded ones are served although this version refuses them.
func TestAStricterVersion(t *testing.T) {
	rig := newRecordRig(t)
	strict := strings.Replace(set(7)["config"], "metadata:", `{{ fail "not with this version" }}`+"\n    metadata:", 1)
	rig.write(rig.injectDir, "config", strict)
	rig.write(rig.injectDir, "values", set(7)["values"])
	rig.meshes(7, "")
	if _, _, err := rig.r.load(t.Context(), ""); err == nil {
		t.Fatal("it is not refused, so this test is of no use")
	}
	rig.records(strict, set(7)["values"], set(7)["mesh"], time.Unix(1e9, 0))
	snapshot, hash, err := rig.r.load(t.Context(), "")
	if snapshot == nil || hash == "" || err != nil {
		t.Fatalf("not served: %v", err)
	}
	s := rig.r.standing
	if !s.newest || s.tolerated == nil || s.refusal != nil || s.inForce.Version != "v0" {
		t.Errorf("standing is %+v", s)
	}
	rig.injects(8, "")
	if _, _, err := rig.r.load(t.Context(), hash); err != nil || rig.r.standing.tolerated != nil {
		t.Errorf("after it was mended: %v, %+v", err, rig.r.standing)
	}
}

// A record that this version cannot compile is of no use, and is said to be so.
func TestARecordOfAnotherLanguage(t *testing.T) {
	rig := newRecordRig(t)
	rig.meshes(1, "")
	rig.breaks()
	rig.records("policy: enabled\ntemplates: {sidecar: '{{ newFunction }}'}\n", "", "{}", time.Unix(1e9, 0))
	rig.wants("a start", "", "policy")
	if open := fmt.Sprint(rig.troubles.Open()); open != "["+refusedTrouble+" "+unusableTrouble+"]" || !strings.Contains(rig.log.String(), "cannot be compiled by this version") {
		t.Errorf("troubles %s\n%s", open, rig.log.String())
	}
	rig.injects(2, "")
	rig.wants("mended", "21", "")
	if open := rig.troubles.Open(); len(open) > 0 {
		t.Errorf("troubles %q", open)
	}
}

// A server that serves the record keeps it when another version records what this one
// refuses, says so, and does not compile that at every look.
func TestARecordThatThisVersionRefuses(t *testing.T) {
	rig := newRecordRig(t)
	rig.meshes(1, "")
	rig.breaks()
	rig.recordsSet(3)
	rig.wants("a start", "33", "policy")
	strict := strings.Replace(set(4)["config"], "metadata:", `{{ fail "not with this version" }}`+"\n    metadata:", 1)
	rig.records(strict, set(4)["values"], set(4)["mesh"], time.Unix(4, 0))
	rig.wants("another version records", "33", "policy")
	if open := fmt.Sprint(rig.troubles.Open()); open != "["+refusedTrouble+" "+unusableTrouble+"]" || !strings.Contains(rig.log.String(), "by version v0 is refused by this version, so what is in force stays") {
		t.Errorf("troubles %s\n%s", open, rig.log.String())
	}
	judgedAt := rig.r.useless.at
	rig.clock.Step(10 * time.Second)
	rig.wants("the next look", "33", "policy")
	if !rig.r.useless.at.Equal(judgedAt) {
		t.Error("it was judged again at the next look")
	}
	rig.recordsSet(5)
	rig.wants("and then a good one", "55", "policy")
	if open := fmt.Sprint(rig.troubles.Open()); open != "["+refusedTrouble+"]" {
		t.Errorf("troubles %s", open)
	}
}

// What was refused is not compiled at every look, and is judged again in time.
func TestRefusedDocumentsAreNotJudgedAtEveryLook(t *testing.T) {
	rig := newRecordRig(t)
	compiled := 0
	rig.r.compiler = newCompiler(inject.Options{})
	count := func() int {
		if rig.r.refused.at.Equal(rig.clock.Now()) {
			compiled++
		}
		return compiled
	}
	rig.meshes(1, "")
	rig.breaks()
	for range 12 { // looks, ten seconds apart
		rig.wants("refused", "", "policy")
		count()
		rig.clock.Step(10 * time.Second)
	}
	if compiled != 2 {
		t.Errorf("judged %d times in two minutes, want 2", compiled)
	}
	rig.write(rig.injectDir, "config", "policy: never\ntemplates: {sidecar: x}\n")
	rig.wants("another mistake is seen at once", "", "policy")
	if count() != 3 {
		t.Error("another mistake was not judged")
	}
}

func TestAnAbsentDirectoryOfTheRecord(t *testing.T) {
	r := records{dir: filepath.Join(t.TempDir(), "none")}
	if got, err := r.best(); got != nil || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	must(t, os.Mkdir(r.dir, 0o700))
	must(t, os.WriteFile(filepath.Join(r.dir, "digest"), []byte("x"), 0o600))
	if got, err := r.best(); got != nil || err == nil {
		t.Errorf("got %+v, %v", got, err)
	}
}
