package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// loadTime bounds one loading of a configuration, from the texts to the injected
// samples. An ordinary one takes 20 ms, the largest that is within all other bounds
// some seconds; one that takes longer is refused, so that the next one has its turn.
const loadTime = 10 * time.Second

// maxNotes is how many notes about a configuration are logged, each of at most
// maxNote bytes.
const (
	maxNotes = 20
	maxNote  = 500
)

// Load reads the files and judges them as a Source does. The error is that the files
// cannot be read. Unlike what a Source logs, the findings may show the files' values.
func Load(ctx context.Context, files Files, opt inject.Options) (*inject.Snapshot, inject.Findings, error) {
	r := &reader{files: files, inject: opt}
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
	inject             inject.Options
	generations        generations
	log                *slog.Logger
	lastDigest         string // of the documents that the configuration in force was made of
}

// load is for a reload.Loop, which never calls it twice at one time. Its errors are
// public.
func (r *reader) load(known string) (*inject.Snapshot, string, error) {
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
	ctx, cancel := context.WithTimeout(context.Background(), loadTime)
	defer cancel()
	snapshot, err := r.judge(ctx, found.docs)
	if ctx.Err() != nil {
		return nil, "", fmt.Errorf("loading takes longer than the %s that it may: there are too many templates or values, or a template computes too much from what is the same for every pod", loadTime)
	}
	if err != nil {
		return nil, "", public(err)
	}
	r.lastDigest = digest
	return snapshot, snapshot.Hash(), nil
}

// judge makes the documents into what injects, tries it, and logs what there is to say
// besides errors.
func (r *reader) judge(ctx context.Context, docs documents) (*inject.Snapshot, error) {
	snapshot, findings := inject.Load(ctx, docs.sources(), r.inject)
	if err := findings.Err(); err != nil {
		return nil, err
	}
	warnings := findings.PublicWarnings()
	for _, warning := range warnings[:min(len(warnings), maxNotes)] {
		r.log.Warn("configuration: " + cut.Line(warning, maxNote))
	}
	if more := len(warnings) - maxNotes; more > 0 {
		r.log.Warn("configuration: there are more notes, which validate shows", "more", more)
	}
	return snapshot, nil
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

// sources are the documents as a configuration is made of them.
func (d documents) sources() config.Sources {
	source := func(key string) config.Source { return config.Source{Name: d[key].name, Data: d[key].data} }
	return config.Sources{Inject: source(keyInject), Values: source(keyValues), Mesh: source(keyMesh)}
}
