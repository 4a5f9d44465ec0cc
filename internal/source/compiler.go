package source

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

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
	leave, err := enter(ctx, c.turn)
	if err != nil {
		return nil, inject.Findings{}, err
	}
	defer leave()
	bound, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	snapshot, findings := inject.Load(bound, s, c.options)
	switch {
	case ctx.Err() != nil:
		return nil, inject.Findings{}, fmt.Errorf("compiling the configuration: %w", ctx.Err())
	case bound.Err() != nil:
		return nil, inject.Findings{Errors: []error{errTooLong}}, nil
	}
	return snapshot, findings, nil
}

// Try judges a configuration as the server would judge it, without serving it: with
// the server's own settings, one at a time, in no more time than a loading has. When
// ctx ends before, its error is the only one, wrapped, and nothing is said about the
// configuration.
func (s *Source) Try(ctx context.Context, c config.Sources) inject.Findings {
	leave, err := enter(ctx, s.compiler.tries)
	if err != nil {
		return inject.Findings{Errors: []error{err}}
	}
	defer leave()
	_, findings, err := s.compiler.load(ctx, c)
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

func fromConfigMap(cm *corev1.ConfigMap, key string) document {
	if cm == nil {
		return document{}
	}
	return document{name: cm.Namespace + "/" + cm.Name + ":" + key, data: []byte(cm.Data[key])}
}
