// Package engine sets up what the benchmarks measure: the injector's request
// path with a configuration of each dialect, and the floor that it is compared
// with.
package engine

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// CorporaEnv names the folder with the reference injectors' corpora, whose
// configurations the targets refer to.
const CorporaEnv = "CONFORMANCE"

// Setup is one configuration to measure with.
type Setup struct {
	// Dialect is "current" or "classic".
	Dialect string
	// Origin says where the configuration comes from.
	Origin         string
	Sources        config.Sources
	NativeSidecars bool
}

// Setups returns a configuration of each dialect, the current one first. With a
// folder of corpora they are the ones that most of its cases use; without, which
// an empty name says, the current one is what the chart below root installs by
// default, and the classic one a small one of our own.
func Setups(root, corpora string) ([]Setup, error) {
	if corpora == "" {
		current, err := ofChart(filepath.Join(root, "charts", "istio-sidecar-injector"))
		if err != nil {
			return nil, err
		}
		classic, err := ownClassic()
		return []Setup{current, classic}, err
	}
	current, currentErr := usual(filepath.Join(corpora, "istio-current"))
	classic, classicErr := usual(filepath.Join(corpora, "istio-1.1"))
	current.Dialect, classic.Dialect = "current", "classic"
	if err := errors.Join(currentErr, classicErr); err != nil {
		return nil, fmt.Errorf("%s=%s: %w", CorporaEnv, corpora, err)
	}
	return []Setup{current, classic}, nil
}

// Snapshot compiles the configuration.
func (s Setup) Snapshot() (*inject.Snapshot, error) {
	cfg, err := config.Parse(s.Sources)
	if err != nil {
		return nil, err
	}
	return inject.Compile(cfg, inject.Options{Cluster: cluster(s.NativeSidecars)})
}

// cluster answers with native sidecars as its value says.
type cluster bool

func (c cluster) NativeSidecars(string) bool { return bool(c) }

func (c cluster) Namespace(string) (labels, annotations map[string]string, ok bool) {
	return nil, nil, false
}

// combination is the part of a case's description that a setup is made of.
type combination struct {
	Config         string `json:"config"`
	Values         string `json:"values"`
	Mesh           string `json:"mesh"`
	NativeSidecars bool   `json:"nativeSidecars"`
}

// usual reads the files that most cases of a corpus use.
func usual(corpus string) (Setup, error) {
	files, err := filepath.Glob(filepath.Join(corpus, "admission", "*", "case.yaml"))
	if err != nil {
		return Setup{}, err
	}
	count := map[combination]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return Setup{}, err
		}
		var c combination
		if err := yaml.Unmarshal(text, &c); err != nil {
			return Setup{}, fmt.Errorf("%s: %w", file, err)
		}
		count[c]++
	}
	if len(count) == 0 {
		return Setup{}, fmt.Errorf("%s: holds no admission cases", corpus)
	}
	all := make([]combination, 0, len(count))
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b combination) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.Config+a.Values+a.Mesh, b.Config+b.Values+b.Mesh))
	})
	return all[0].read(corpus)
}

func (c combination) read(corpus string) (Setup, error) {
	s := Setup{Origin: filepath.Base(corpus) + " " + c.Config, NativeSidecars: c.NativeSidecars}
	for _, f := range []struct {
		source *config.Source
		path   string
	}{{&s.Sources.Inject, c.Config}, {&s.Sources.Values, c.Values}, {&s.Sources.Mesh, c.Mesh}} {
		if f.path == "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(corpus, f.path))
		if err != nil {
			return Setup{}, err
		}
		*f.source = config.Source{Name: f.path, Data: data}
	}
	return s, nil
}

//go:embed classic
var classicFiles embed.FS

func ownClassic() (Setup, error) {
	read := func(name string) (config.Source, error) {
		data, err := classicFiles.ReadFile("classic/" + name)
		return config.Source{Name: name, Data: data}, err
	}
	inject, injectErr := read("config.yaml")
	mesh, meshErr := read("mesh.yaml")
	return Setup{
		Dialect: "classic", Origin: "a small configuration of the benchmark's own",
		Sources: config.Sources{Inject: inject, Mesh: mesh},
	}, errors.Join(injectErr, meshErr)
}
