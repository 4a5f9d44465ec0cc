package source

import (
	"errors"
	"path/filepath"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// records is where the last good configuration is recorded: in a ConfigMap, and in a
// mount of it.
type records struct {
	keeper *lastgood.Keeper // nil: not followed
	dir    string           // empty: not mounted
}

// best returns the newer record of the two; nil when there is none. The error says why
// none can be used.
//
// A mount is a late copy, so what the API server says is newer. The mount is for when
// that was not heard of yet, or cannot be used any more.
func (r records) best() (*lastgood.Record, error) {
	var errs []error
	if r.keeper != nil {
		record, err := r.keeper.Record()
		if err == nil {
			return record, nil
		}
		errs = append(errs, err)
	}
	if r.dir != "" {
		record, err := lastgood.ReadDir(r.dir)
		if err == nil {
			return record, nil
		}
		errs = append(errs, err)
	}
	for _, err := range errs {
		if !errors.Is(err, lastgood.ErrEmpty) && !errors.Is(err, lastgood.ErrNotRead) {
			return nil, err
		}
	}
	return nil, nil
}

// sources are the recorded documents as the engine takes them, with the names by which
// messages call them.
func (r records) sources(record *lastgood.Record) config.Sources {
	name := func(file string) string { return filepath.Join(r.dir, file) }
	if r.keeper != nil {
		name = func(key string) string { return r.keeper.Name() + ":" + key }
	}
	files := lastgood.Files()
	return config.Sources{
		Inject: config.Source{Name: name(files[0]), Data: record.Documents.Config},
		Values: config.Source{Name: name(files[1]), Data: record.Documents.Values},
		Mesh:   config.Source{Name: name(files[2]), Data: record.Documents.Mesh},
	}
}
