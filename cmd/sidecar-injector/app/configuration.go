package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// The keys of the two ConfigMaps, and so the names of the documents.
const (
	keyInject = "config"
	keyValues = "values"
	keyMesh   = "mesh"
)

// maxConfigFile bounds one file: a ConfigMap holds 1 MiB in all.
const maxConfigFile = 4 << 20

// configSource reads the configuration from where it is newest and compiles it.
type configSource struct {
	o          *options
	inject     inject.Options
	log        *slog.Logger
	injectMap  *liveMap // nil: files alone
	meshMap    *liveMap
	lastDigest string // of the documents that the configuration in force was made of
}

// load is for a reload.Loop, which never calls it twice at one time.
func (s *configSource) load(known string) (*inject.Snapshot, string, error) {
	docs, err := s.newest()
	if err != nil {
		return nil, "", err
	}
	digest := docs.digest([]string{keyInject, keyValues, keyMesh})
	if known != "" && digest == s.lastDigest {
		return nil, known, nil
	}
	snapshot, err := compile(docs, s.inject)
	if err != nil {
		return nil, "", err
	}
	if err := snapshot.Unusable(); err != nil {
		return nil, "", fmt.Errorf("every pod would be refused: %w", err)
	}
	s.lastDigest = digest
	for _, note := range snapshot.Config().Notes {
		s.log.Warn("configuration: " + note)
	}
	if err := snapshot.Check(); err != nil {
		// Real pods may have what the samples lack, so this is no reason to refuse.
		s.log.Warn("configuration: a template fails on a sample pod", "error", err)
	}
	return snapshot, snapshot.Hash(), nil
}

// newest picks the newer of files and ConfigMap for each of the two ConfigMaps.
func (s *configSource) newest() (documents, error) {
	injectFiles, injectErr := readDocuments(
		file{keyInject, "injection configuration", "--injectConfig", s.o.injectConfig, true},
		file{keyValues, "chart values", "--injectValues", s.o.injectValues, false})
	meshFiles, meshErr := readDocuments(file{keyMesh, "mesh configuration", "--meshConfig", s.o.meshConfig, true})

	docs, injectErr := s.injectMap.choose(injectFiles, injectErr)
	mesh, meshErr := s.meshMap.choose(meshFiles, meshErr)
	if err := errors.Join(injectErr, meshErr); err != nil {
		return nil, err
	}
	return documents{keyInject: docs[keyInject], keyValues: docs[keyValues], keyMesh: mesh[keyMesh]}, nil
}

// compile makes the documents into what injects.
func compile(docs documents, opt inject.Options) (*inject.Snapshot, error) {
	source := func(key string) config.Source { return config.Source{Name: docs[key].name, Data: docs[key].data} }
	cfg, err := config.Parse(config.Sources{Inject: source(keyInject), Values: source(keyValues), Mesh: source(keyMesh)})
	if err != nil {
		return nil, err
	}
	return inject.Compile(cfg, opt)
}

// injectOptions are the settings of the engine that come from flags.
func (o *options) injectOptions(env map[string]string, cluster inject.Cluster) inject.Options {
	allowed := map[string]string{}
	for _, name := range o.templateEnv {
		if value, ok := env[name]; ok {
			allowed[name] = value
		}
	}
	return inject.Options{
		Revision:         o.revision,
		Platform:         o.platform,
		CompliancePolicy: o.compliancePolicy,
		Env:              allowed,
		Cluster:          cluster,
	}
}

// file is one file of the configuration.
type file struct {
	key, what, flag, path string
	required              bool
}

// readDocuments reads files. The error tells of all that cannot be read.
func readDocuments(files ...file) (documents, error) {
	docs := documents{}
	var errs []error
	for _, f := range files {
		data, err := readLimited(f.path, maxConfigFile)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist) && !f.required:
		case errors.Is(err, fs.ErrNotExist):
			errs = append(errs, fmt.Errorf("%s %s does not exist: mount it there, or name another file with %s", f.what, f.path, f.flag))
			continue
		default:
			errs = append(errs, fmt.Errorf("%s (%s): %w", f.what, f.flag, err))
			continue
		}
		docs[f.key] = document{name: f.path, data: data}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return docs, nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	if path == "" {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}
