package source

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// maxNotes is how many notes about a configuration are logged, each of at most
// maxNote bytes.
const (
	maxNotes = 20
	maxNote  = 500
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

// reader reads the configuration from where it is newest and compiles it.
type reader struct {
	files              Files
	injectMap, meshMap *configMapSource // nil: files alone
	compiler           *compiler
	generations        generations
	log                *slog.Logger
	lastDigest         string // of the documents that the configuration in force was made of
}

// load is for a reload.Loop, which never calls it twice at one time. Its errors are
// public.
func (r *reader) load(ctx context.Context, known string) (*inject.Snapshot, string, error) {
	found, err := r.newest()
	if err != nil {
		return nil, "", public(err)
	}
	if wait := r.generations.wait(found, known == ""); wait > 0 {
		return nil, "", &reload.Later{Wait: wait, Reason: found.difference()}
	}
	digest := found.docs.digest(keyInject, keyValues, keyMesh)
	if known != "" && digest == r.lastDigest {
		return nil, known, nil
	}
	snapshot, findings, err := r.compiler.load(ctx, found.docs.sources())
	if err != nil {
		return nil, "", err
	}
	if err := findings.Err(); err != nil {
		return nil, "", public(err)
	}
	r.warn(findings.PublicWarnings())
	r.lastDigest = digest
	return snapshot, snapshot.Hash(), nil
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
