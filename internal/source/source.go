// Package source reads the injection configuration from where it is newest, files
// or the ConfigMaps that these are mounts of, and compiles it. A bad change never
// comes into force: the last good configuration stays.
package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/follower"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// startWait is how long the start waits for the API server when the files alone
// are no good.
const startWait = 10 * time.Second

// firstLook is how often the start looks whether two ConfigMaps of different
// generations have become one.
const firstLook = 200 * time.Millisecond

// Options say where the configuration comes from and what it is compiled with.
type Options struct {
	Files
	// InjectConfigMap and MeshConfigMap are the ConfigMaps to follow, in the form
	// namespace/name; empty: the files alone.
	InjectConfigMap, MeshConfigMap string
	// ConfigMaps returns the client for a namespace; needed where a ConfigMap is
	// followed.
	ConfigMaps func(namespace string) kube.Lister[*corev1.ConfigMapList]
	// Inject are the engine's settings.
	Inject   inject.Options
	Recorder reload.Recorder
	Log      *slog.Logger
	Trouble  *trouble.Log
}

// Source is the configuration in force, which follows its files and ConfigMaps.
type Source struct {
	loop      *reload.Loop[*inject.Snapshot]
	compiler  *compiler
	followers []*follower.Follower
}

// Start loads the first configuration and follows where it comes from, in parts of
// the group. It fails when there is no good configuration, neither in the files
// nor, within ten seconds, in the ConfigMaps.
func Start(group *rungroup.Group, o Options) (*Source, error) {
	injectMap, err := newConfigMapSource(o.InjectConfigMap, keyInject, keyValues)
	if err != nil {
		return nil, fmt.Errorf("--injectConfigMap %q: %w", o.InjectConfigMap, err)
	}
	meshMap, err := newConfigMapSource(o.MeshConfigMap, keyMesh)
	if err != nil {
		return nil, fmt.Errorf("--meshConfigMap %q: %w", o.MeshConfigMap, err)
	}
	r := &reader{
		files: o.Files, injectMap: injectMap, meshMap: meshMap, compiler: newCompiler(o.Inject), log: o.Log,
		generations: generations{now: time.Now, trouble: o.Trouble},
	}
	s := &Source{compiler: r.compiler, loop: reload.New(reload.Options[*inject.Snapshot]{
		Name: "configuration", Load: r.load, Log: o.Log, Recorder: o.Recorder,
	})}
	for _, m := range []*configMapSource{injectMap, meshMap} {
		if m != nil {
			f := m.follower(o.ConfigMaps(m.name.Namespace), o.Trouble, s.loop.Poke)
			s.followers = append(s.followers, f)
			group.Go(f.What(), f.Run)
		}
	}
	if err := s.loadFirst(o.Log); err != nil {
		return nil, err
	}
	group.Go("configuration", s.loop.Run)
	group.Go("configuration files", func(ctx context.Context) error {
		return reload.WatchFiles(ctx, o.Files.watched(), reload.DefaultPoll, o.Log, s.loop.Poke)
	})
	return s, nil
}

// loadFirst loads from the files, and, when they are no good, from the
// ConfigMaps: a mount may still be as it was before somebody mended them.
func (s *Source) loadFirst(log *slog.Logger) error {
	err := s.loadComplete()
	if err == nil || s.followers == nil {
		return err
	}
	log.Warn("the mounted configuration is no good, looking at the API server", "error", err, "for", startWait)
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	for _, f := range s.followers {
		select {
		case <-f.Attempted():
		case <-timer.C:
			return err
		}
	}
	return s.loadComplete()
}

// loadComplete loads what is there, and waits for the rest of it where that is not
// complete, for as long as the Load wants.
func (s *Source) loadComplete() error {
	for {
		err := s.loop.Reload(context.Background())
		var later *reload.Later
		if !errors.As(err, &later) {
			return err
		}
		time.Sleep(min(later.Wait, firstLook))
	}
}

// Current is the configuration in force. It never waits.
func (s *Source) Current() *inject.Snapshot { return s.loop.Current().Value }

// State says what is in force since when, and why a newer one is not.
func (s *Source) State() reload.State { return s.loop.State() }

// Followers are those of the ConfigMaps.
func (s *Source) Followers() []*follower.Follower { return s.followers }
