package source

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// Compile reads the files and compiles them, whether or not the templates render
// any pod.
func Compile(files Files, opt inject.Options) (*inject.Snapshot, error) {
	r := &reader{files: files, inject: opt}
	found, err := r.newest()
	if err != nil {
		return nil, err
	}
	return found.docs.compile(opt)
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

// load is for a reload.Loop, which never calls it twice at one time.
func (r *reader) load(known string) (*inject.Snapshot, string, error) {
	found, err := r.newest()
	if err != nil {
		return nil, "", err
	}
	if wait := r.generations.wait(found, known == ""); wait > 0 {
		return nil, "", &reload.Later{Wait: wait, Reason: found.difference()}
	}
	docs := found.docs
	digest := docs.digest(keyInject, keyValues, keyMesh)
	if known != "" && digest == r.lastDigest {
		return nil, known, nil
	}
	snapshot, err := docs.compile(r.inject)
	if err != nil {
		return nil, "", err
	}
	if err := snapshot.Unusable(); err != nil {
		return nil, "", fmt.Errorf("every pod would be refused: %w", err)
	}
	r.lastDigest = digest
	for _, note := range snapshot.Config().Notes {
		r.log.Warn("configuration: " + note)
	}
	if err := snapshot.Check(); err != nil {
		// Real pods may have what the samples lack, so this is no reason to refuse.
		r.log.Warn("configuration: a template fails on a sample pod", "error", err)
	}
	return snapshot, snapshot.Hash(), nil
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

// compile makes the documents into what injects.
func (d documents) compile(opt inject.Options) (*inject.Snapshot, error) {
	source := func(key string) config.Source { return config.Source{Name: d[key].name, Data: d[key].data} }
	cfg, err := config.Parse(config.Sources{Inject: source(keyInject), Values: source(keyValues), Mesh: source(keyMesh)})
	if err != nil {
		return nil, err
	}
	return inject.Compile(cfg, opt)
}
