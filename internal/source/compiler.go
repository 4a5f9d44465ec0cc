package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// loadTime bounds one loading of a configuration, from the texts to the injected
// samples. An ordinary one takes 20 ms, the largest that is within all other bounds
// some seconds; one that takes longer is refused, so that the next one has its turn.
const loadTime = 10 * time.Second

// compiler makes documents into what injects, one set at a time: two of the largest
// at once would need twice the memory and the processors of a server that injects
// meanwhile. It is safe for concurrent use.
type compiler struct {
	options inject.Options
	// turn is held while documents are compiled. Who compiles what nobody serves
	// holds tries too, so that the configuration in force waits for one of them at most.
	turn, tries chan struct{}
}

func newCompiler(o inject.Options) *compiler {
	return &compiler{options: o, turn: make(chan struct{}, 1), tries: make(chan struct{}, 1)}
}

// enter waits for a place, and returns the function that gives it back.
func enter(ctx context.Context, place chan struct{}) (leave func(), err error) {
	select {
	case place <- struct{}{}:
		return func() { <-place }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for another configuration to be compiled: %w", ctx.Err())
	}
}

// tooLong is the error of a configuration that takes longer than loadTime.
var errTooLong = fmt.Errorf("loading takes longer than the %s that it may: there are too many templates or values, or a template computes too much from what is the same for every pod", loadTime)

// load compiles and tries the documents when their turn has come. The error is that
// of ctx when that ends before, and says nothing about the documents then.
func (c *compiler) load(ctx context.Context, s config.Sources) (*inject.Snapshot, inject.Findings, error) {
	var snapshot *inject.Snapshot
	findings, err := c.judge(ctx, func(bound context.Context) (f inject.Findings) {
		snapshot, f = inject.Load(bound, s, c.options)
		return f
	})
	if err != nil {
		return nil, inject.Findings{}, err
	}
	return snapshot, findings, nil
}

// judge calls a function that looks at documents, when their turn has come.
func (c *compiler) judge(ctx context.Context, look func(context.Context) inject.Findings) (inject.Findings, error) {
	leave, err := enter(ctx, c.turn)
	if err != nil {
		return inject.Findings{}, err
	}
	defer leave()
	bound, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	findings := look(bound)
	switch {
	case ctx.Err() != nil:
		return inject.Findings{}, fmt.Errorf("compiling the configuration: %w", ctx.Err())
	case bound.Err() != nil:
		return inject.Findings{Errors: []error{errTooLong}}, nil
	}
	return findings, nil
}

// Try judges a configuration as the server would judge it, without serving it: with
// the server's own settings, one at a time, in no more time than a loading has. When
// ctx ends before, its error is the only one, wrapped, and nothing is said about the
// configuration.
func (s *Source) Try(ctx context.Context, c config.Sources) inject.Findings {
	return s.compiler.try(ctx, func(bound context.Context) inject.Findings {
		_, f := inject.Load(bound, c, s.compiler.options)
		return f
	})
}

// Serves reports whether documents are what is in force. The server takes such again,
// whatever Try finds wrong with them: another version may have accepted them.
func (s *Source) Serves(c config.Sources) bool {
	inForce := s.standing.Load().inForce
	asked := lastgood.Documents{Config: c.Inject.Data, Values: c.Values.Data, Mesh: c.Mesh.Data}
	return inForce != nil && asked.Digest() == inForce.Documents.Digest()
}

// TryInjection judges the documents of the injection ConfigMap alone, where the mesh
// configuration that belongs to them is not known: templates are compiled and not
// tried. It is bounded as Try is.
func (s *Source) TryInjection(ctx context.Context, injection *corev1.ConfigMap) inject.Findings {
	return s.compiler.try(ctx, func(bound context.Context) inject.Findings {
		return inject.LoadUntried(bound, FromConfigMaps(injection, nil), s.compiler.options)
	})
}

// TryMesh judges the mesh configuration alone, where the injection configuration that
// belongs to it is not known. That says which dialect the mesh configuration is
// written in, so the mesh configuration is good when it is in either.
func (s *Source) TryMesh(ctx context.Context, mesh *corev1.ConfigMap) inject.Findings {
	return s.compiler.try(ctx, func(bound context.Context) inject.Findings {
		current := parseMesh(bound, mesh, "{policy: enabled, templates: {any: ''}}")
		if len(current.Errors) == 0 || len(parseMesh(bound, mesh, "{policy: enabled, template: any}").Errors) == 0 {
			return inject.Findings{}
		}
		return current
	})
}

// parseMesh reads a mesh configuration beside an injection configuration.
func parseMesh(ctx context.Context, mesh *corev1.ConfigMap, injection string) (f inject.Findings) {
	sources := FromConfigMaps(nil, mesh)
	sources.Inject = config.Source{Name: "any", Data: []byte(injection)}
	switch _, err := config.ParseContext(ctx, sources); joined := err.(type) {
	case nil:
	case interface{ Unwrap() []error }:
		f.Errors = joined.Unwrap()
	default:
		f.Errors = []error{err}
	}
	return f
}

// try is judge for what nobody serves. When ctx ends before, its error is the only one.
func (c *compiler) try(ctx context.Context, look func(context.Context) inject.Findings) inject.Findings {
	leave, err := enter(ctx, c.tries)
	if err != nil {
		return inject.Findings{Errors: []error{err}}
	}
	defer leave()
	findings, err := c.judge(ctx, look)
	if err != nil {
		return inject.Findings{Errors: []error{err}}
	}
	return findings
}

// FromConfigMaps returns the documents of the two ConfigMaps, with the names by which
// the server calls them: namespace/name:key. A nil ConfigMap has none.
func FromConfigMaps(injection, mesh *corev1.ConfigMap) config.Sources {
	return config.Sources{
		Inject: fromConfigMap(injection, keyInject).source(),
		Values: fromConfigMap(injection, keyValues).source(),
		Mesh:   fromConfigMap(mesh, keyMesh).source(),
	}
}

// Generation is the text by which a ConfigMap says which other one it belongs to; empty
// when it does not say.
func Generation(cm *corev1.ConfigMap) string {
	return documents{keyGeneration: fromConfigMap(cm, keyGeneration)}.generation()
}

// CheckKeys says which keys the server needs of the two ConfigMaps and they lack, as the
// server says it when it follows them. Of a nil ConfigMap it needs none.
func CheckKeys(injection, mesh *corev1.ConfigMap) error {
	var errs []error
	if injection != nil {
		errs = append(errs, checkKeys(injection.Namespace+"/"+injection.Name, injection, keyInject))
	}
	if mesh != nil {
		errs = append(errs, checkKeys(mesh.Namespace+"/"+mesh.Name, mesh, keyMesh))
	}
	return errors.Join(errs...)
}

func checkKeys(name string, cm *corev1.ConfigMap, keys ...string) error {
	var missing []string
	for _, k := range keys {
		if _, ok := cm.Data[k]; !ok && k != keyValues && k != keyGeneration {
			missing = append(missing, k)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("configmap %s has no key %s", name, strings.Join(missing, " and no key "))
}

func fromConfigMap(cm *corev1.ConfigMap, key string) document {
	if cm == nil {
		return document{}
	}
	return document{name: cm.Namespace + "/" + cm.Name + ":" + key, data: []byte(cm.Data[key])}
}
