package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// maxNotes is how many notes about a configuration are logged, each of at most
// maxNote bytes.
const (
	maxNotes = 20
	maxNote  = 500
)

const (
	// startWait is how long a start waits for the API server when the files alone are no
	// good: a mount may still be as it was before somebody mended it.
	startWait = 10 * time.Second
	// judgeAgain is when documents that were refused are judged again although they are
	// the same: a loading may have been too slow because the machine was busy, and the
	// nodes of the cluster may be others.
	judgeAgain = time.Minute
)

// Load reads the files and judges them as a Source does. The error is that the files
// cannot be read. Unlike what a Source logs, the findings may show the files' values.
func Load(ctx context.Context, files Files, opt inject.Options) (*inject.Snapshot, inject.Findings, error) {
	r := &reader{files: files}
	found, err := r.newest()
	if err != nil {
		return nil, inject.Findings{}, err
	}
	snapshot, findings := inject.Load(ctx, found.docs.sources(), opt)
	return snapshot, findings, nil
}

// reader reads the configuration from where it is newest, judges it, and falls back on
// the recorded one. Nothing calls it twice at one time.
type reader struct {
	files              Files
	injectMap, meshMap *configMapSource // nil: files alone
	compiler           *compiler
	generations        generations
	records            records
	version            string // the injector's
	now                func() time.Time
	log                *slog.Logger
	// attempted says that the API server was asked once for all that it may know.
	attempted func() bool
	started   time.Time

	standing standing
	// refused is the newest configuration that was, useless the record that was tried.
	refused, useless judged
}

// standing is how what is in force relates to the newest configuration.
type standing struct {
	// inForce is the configuration in force, with the version that accepted it and since
	// when it is known to be good; nil: none.
	inForce *lastgood.Record
	// recorded says that it was taken from the record.
	recorded bool
	// newest says that it is what was found last.
	newest bool
	// tolerated is why this version would refuse it, public; nil: it would not. It is in
	// force because another version has accepted it.
	tolerated error
	// mixed says that it was made of two generations, because there was nothing else.
	mixed bool
	// refusal is why the newest is not in force; nil when it is.
	refusal *lastgood.Refusal
	// generations is that the cluster holds two generations; nil when it does not.
	generations error
	// unusable is why the record cannot be served; nil when nobody wanted it, or it can.
	unusable error
}

// judged are documents that were refused.
type judged struct {
	digest, record string // of the documents, and of those that were recorded then
	err            error
	at             time.Time
}

// same says that the judgement is still good.
func (j *judged) same(asked judged) bool {
	return j.err != nil && j.digest == asked.digest && j.record == asked.record && asked.at.Sub(j.at) < judgeAgain
}

// load is for a reload.Loop. Its errors are public.
func (r *reader) load(ctx context.Context, known string) (*inject.Snapshot, string, error) {
	next := r.standing
	next.generations, next.unusable = nil, nil
	snapshot, hash, err := r.decide(ctx, known, &next)
	if ctx.Err() == nil && !isLater(err) {
		r.standing = next
	}
	return snapshot, hash, err
}

// decide is load, which notes in next what comes of it.
func (r *reader) decide(ctx context.Context, known string, next *standing) (*inject.Snapshot, string, error) {
	found, err := r.newest()
	if err != nil {
		return r.refuse(ctx, known, "", err, next)
	}
	digest := found.docs.record().Digest()
	rest, mixed := r.generations.wait(found, known == "")
	if rest > 0 {
		return nil, "", &reload.Later{Wait: rest, Reason: found.difference()}
	}
	if mixed != nil {
		next.generations = mixed
	}
	if known != "" && digest == next.inForce.Documents.Digest() {
		next.accepted(next.mixed && mixed != nil)
		return nil, known, nil
	}
	recorded, _ := r.records.best()
	apart := mixed != nil && (recorded == nil || digest != recorded.Documents.Digest())
	if apart {
		snapshot, hash, err := r.refuse(ctx, known, digest, mixed, next)
		if known != "" || hash != "" || isLater(err) {
			return snapshot, hash, err
		}
		// There is nothing else to serve.
	}
	return r.judge(ctx, known, found.docs, apart, next)
}

func isLater(err error) bool {
	var later *reload.Later
	return errors.As(err, &later)
}

// accepted notes that what is in force is the newest.
func (s *standing) accepted(mixed bool) {
	s.newest, s.mixed, s.recorded, s.refusal = true, mixed, false, nil
}

// judge compiles and tries documents, which may be of two generations.
func (r *reader) judge(ctx context.Context, known string, docs documents, mixed bool, next *standing) (*inject.Snapshot, string, error) {
	digest := docs.record().Digest()
	recorded, _ := r.records.best()
	asked := judged{digest: digest, at: r.now()}
	if recorded != nil {
		asked.record = recorded.Documents.Digest()
	}
	if r.refused.same(asked) {
		return r.refuse(ctx, known, digest, r.refused.err, next)
	}
	snapshot, findings, err := r.compiler.load(ctx, docs.sources())
	if err != nil {
		return nil, "", err
	}
	asked.err = findings.Err()
	// Only a start takes over what another version has accepted: while an upgrade goes on,
	// servers of the version before must keep what they serve, and not follow the new ones'
	// record to what they cannot render.
	if asked.err != nil && (snapshot == nil || asked.record != digest || known != "") {
		r.refused = asked
		return r.refuse(ctx, known, digest, asked.err, next)
	}
	r.warn(findings.PublicWarnings())
	next.tolerated = public(asked.err)
	if asked.record == digest {
		next.inForce = recorded
	} else {
		next.inForce = &lastgood.Record{Documents: docs.record(), Hash: snapshot.Hash(), Since: r.now(), Version: r.version}
	}
	next.accepted(mixed)
	return snapshot, snapshot.Hash(), nil
}

// refuse notes why documents do not come into force. Where nothing is in force, or the
// record that is has been replaced by another one, it returns what is recorded.
func (r *reader) refuse(ctx context.Context, known, digest string, reason error, next *standing) (*inject.Snapshot, string, error) {
	reason = public(reason)
	rest := startWait - r.now().Sub(r.started)
	if known == "" && rest > 0 && !r.attempted() {
		return nil, "", &reload.Later{Wait: rest, Reason: "the mounted configuration is no good, and the API server may have a better one: " + reason.Error()}
	}
	if old := next.refusal; old == nil || old.Digest != digest || old.Reason != reason.Error() {
		next.refusal = &lastgood.Refusal{Digest: digest, Reason: reason.Error(), Since: r.now()}
	}
	next.newest = false
	if known != "" && !next.recorded {
		return nil, "", reason
	}
	snapshot, err := r.fallBack(ctx, known, next)
	if err != nil {
		return nil, "", err
	}
	if snapshot == nil {
		return nil, "", reason
	}
	return snapshot, snapshot.Hash(), reason
}

// fallBack returns what is recorded; nil when there is nothing that is not in force
// already, or what this version refuses while it has something else in force. The error
// is that of ctx.
func (r *reader) fallBack(ctx context.Context, known string, next *standing) (*inject.Snapshot, error) {
	record, err := r.records.best()
	if err != nil {
		next.unusable = err
		return nil, nil
	}
	if record == nil {
		return nil, nil
	}
	asked := judged{digest: record.Documents.Digest(), at: r.now()}
	if next.inForce != nil && next.inForce.Documents.Digest() == asked.digest {
		return nil, nil
	}
	if r.useless.same(asked) {
		next.unusable = r.useless.err
		return nil, nil
	}
	snapshot, findings, err := r.compiler.load(ctx, r.records.sources(record))
	if err != nil {
		return nil, err
	}
	if snapshot == nil {
		asked.err = fmt.Errorf("the configuration that was recorded at %s cannot be compiled by this version: %w", record.Since.Format(time.RFC3339), public(findings.Err()))
		r.useless, next.unusable = asked, asked.err
		return nil, nil
	}
	if known != "" && len(findings.Errors) > 0 {
		asked.err = fmt.Errorf("the configuration that was recorded at %s by version %s is refused by this version, so what is in force stays: %w", record.Since.Format(time.RFC3339), record.Version, public(findings.Err()))
		r.useless, next.unusable = asked, asked.err
		return nil, nil
	}
	next.inForce, next.recorded, next.mixed, next.tolerated = record, true, false, public(findings.Err())
	return snapshot, nil
}

// warn logs what is no reason to refuse a configuration.
func (r *reader) warn(warnings []string) {
	for _, w := range warnings[:min(len(warnings), maxNotes)] {
		r.log.Warn("configuration: " + cut.Line(w, maxNote))
	}
	if more := len(warnings) - maxNotes; more > 0 {
		r.log.Warn("configuration: there are more notes, which validate shows", "more", more)
	}
}

// found is what was read of both ConfigMaps, or of their mounts.
type found struct {
	docs documents
	// inject and mesh are the generations that the two were stamped with.
	inject, mesh string
	// mounted says that one of them is a mount.
	mounted bool
}

// newest picks the newer of files and ConfigMap for each of the two ConfigMaps.
func (r *reader) newest() (found, error) {
	files := r.files.read()
	docs, docsMounted, injectErr := r.injectMap.choose(files.inject, files.injectErr)
	mesh, meshMounted, meshErr := r.meshMap.choose(files.mesh, files.meshErr)
	if err := errors.Join(injectErr, meshErr); err != nil {
		return found{}, err
	}
	return found{
		docs:   documents{keyInject: docs[keyInject], keyValues: docs[keyValues], keyMesh: mesh[keyMesh]},
		inject: docs.generation(), mesh: mesh.generation(), mounted: docsMounted || meshMounted,
	}, nil
}
