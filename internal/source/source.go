// Package source reads the injection configuration from where it is newest, files
// or the ConfigMaps that these are mounts of, and compiles it. A bad change never
// comes into force: the last good configuration stays, also over a restart, because it
// is recorded.
package source

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/follower"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

// Options say where the configuration comes from and what it is compiled with.
type Options struct {
	Files
	// InjectConfigMap and MeshConfigMap are the ConfigMaps to follow, in the form
	// namespace/name; empty: the files alone.
	InjectConfigMap, MeshConfigMap string
	// LastGoodConfigMap is the ConfigMap that the last good configuration is recorded in,
	// in the form namespace/name; empty: none. It needs the two others.
	LastGoodConfigMap string
	// LastGoodDir is where that ConfigMap is mounted; empty: nowhere.
	LastGoodDir string
	// ConfigMaps and Events return the clients for a namespace; needed where a
	// ConfigMap is followed.
	ConfigMaps func(namespace string) lastgood.Client
	Events     func(namespace string) lastgood.Events
	// Inject are the engine's settings.
	Inject inject.Options
	// Version is the injector's, for the record.
	Version  string
	Recorder reload.Recorder
	Log      *slog.Logger
	Trouble  *trouble.Log
}

// Source is the configuration in force, which follows its files and ConfigMaps.
type Source struct {
	loop      *reload.Loop[*inject.Snapshot]
	compiler  *compiler
	reader    *reader
	followers []*follower.Follower
	teller    teller
	standing  atomic.Pointer[standing]
}

// Start follows where the configuration comes from, in parts of the group, and loads the
// first one if it is there. Where it is not, or no good, it is waited for: nothing is in
// force until then. The error is that the options are wrong.
func Start(ctx context.Context, group *rungroup.Group, o Options) (*Source, error) {
	injectMap, err := newConfigMapSource(o.InjectConfigMap, keyInject, keyValues)
	if err != nil {
		return nil, fmt.Errorf("--injectConfigMap %q: %w", o.InjectConfigMap, err)
	}
	meshMap, err := newConfigMapSource(o.MeshConfigMap, keyMesh)
	if err != nil {
		return nil, fmt.Errorf("--meshConfigMap %q: %w", o.MeshConfigMap, err)
	}
	s := &Source{compiler: newCompiler(o.Inject), teller: teller{trouble: o.Trouble, about: injectMap}}
	s.standing.Store(&standing{})
	s.reader = &reader{
		files: o.Files, injectMap: injectMap, meshMap: meshMap, compiler: s.compiler, log: o.Log,
		generations: generations{now: time.Now}, records: records{dir: o.LastGoodDir},
		version: o.Version, now: time.Now, started: time.Now(), attempted: s.attempted,
	}
	s.loop = reload.New(reload.Options[*inject.Snapshot]{Name: "configuration", Load: s.load, Log: o.Log, Recorder: o.Recorder})
	if err := s.keepRecord(group, o); err != nil {
		return nil, err
	}
	if injectMap != nil && o.Events != nil {
		s.teller.announcer = lastgood.NewAnnouncer(o.Events(injectMap.name.Namespace), clock.RealClock{}, o.Trouble)
		group.Go("events", s.teller.announcer.Run)
	}
	for _, m := range []*configMapSource{injectMap, meshMap} {
		if m != nil {
			f := m.follower(o.ConfigMaps(m.name.Namespace), o.Trouble, s.loop.Poke)
			s.followers = append(s.followers, f)
			group.Go(f.What(), f.Run)
		}
	}
	_ = s.loop.Reload(ctx) // what is wrong is logged, and shown by State
	group.Go("configuration", s.loop.Run)
	group.Go("configuration files", func(ctx context.Context) error {
		return reload.WatchFiles(ctx, o.Files.watched(), reload.DefaultPoll, o.Log, s.loop.Poke)
	})
	return s, nil
}

// keepRecord starts what keeps the record, where there is one.
func (s *Source) keepRecord(group *rungroup.Group, o Options) error {
	if o.LastGoodConfigMap == "" {
		return nil
	}
	name, err := kube.ParseName(o.LastGoodConfigMap)
	if err != nil {
		return fmt.Errorf("--lastGoodConfigMap %q: %w", o.LastGoodConfigMap, err)
	}
	if s.reader.injectMap == nil || s.reader.meshMap == nil {
		return fmt.Errorf("--lastGoodConfigMap %q: needs --injectConfigMap and --meshConfigMap", o.LastGoodConfigMap)
	}
	keeper := lastgood.NewKeeper(lastgood.Options{
		Name: name, Client: o.ConfigMaps(name.Namespace), State: s.recordState,
		Digest:  func(ctx context.Context) (string, error) { return s.reader.liveDigest(ctx, o.ConfigMaps) },
		Changed: s.loop.Poke, Clock: clock.RealClock{}, Rand: rand.Float64, Log: o.Log,
	})
	s.reader.records.keeper = keeper
	group.Go("last good configuration", keeper.Run)
	return nil
}

// attempted says that the API server was asked for each ConfigMap, in vain or not.
func (s *Source) attempted() bool {
	var asked []<-chan struct{}
	for _, f := range s.followers {
		asked = append(asked, f.Attempted())
	}
	if k := s.reader.records.keeper; k != nil {
		asked = append(asked, k.Attempted())
	}
	for _, a := range asked {
		select {
		case <-a:
		default:
			return false
		}
	}
	return true
}

// load is for the loop.
func (s *Source) load(ctx context.Context, known string) (*inject.Snapshot, string, error) {
	snapshot, hash, err := s.reader.load(ctx, known)
	before, now := s.standing.Load(), s.reader.standing
	s.standing.Store(&now)
	s.teller.tell(before, &now)
	if k := s.reader.records.keeper; k != nil {
		k.Wake()
	}
	return snapshot, hash, err
}

// recordState is what the Keeper is told.
func (s *Source) recordState() lastgood.State {
	now := s.standing.Load()
	return lastgood.State{InForce: now.inForce, Newest: now.newest && !now.mixed, Refused: now.refusal}
}

// liveDigest reads both ConfigMaps from the API server, as they are now.
func (r *reader) liveDigest(ctx context.Context, clients func(namespace string) lastgood.Client) (string, error) {
	var both [2]*corev1.ConfigMap
	for i, m := range []*configMapSource{r.injectMap, r.meshMap} {
		cm, err := clients(m.name.Namespace).Get(ctx, m.name.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return "", nil
		case err != nil:
			return "", &kube.Error{Verb: "get", Object: "configmap " + m.name.String(), Err: err}
		}
		if _, ok := cm.Data[m.keys[0]]; !ok {
			return "", nil
		}
		both[i] = cm
	}
	docs := FromConfigMaps(both[0], both[1])
	return lastgood.Documents{Config: docs.Inject.Data, Values: docs.Values.Data, Mesh: docs.Mesh.Data}.Digest(), nil
}

// Current is the configuration in force; nil while there is none. It never waits.
func (s *Source) Current() *inject.Snapshot {
	if v := s.loop.Current(); v != nil {
		return v.Value
	}
	return nil
}

// State is what is in force, and how that relates to the newest configuration.
type State struct {
	reload.State
	// LastGood says that what is in force is not the newest, which is refused.
	LastGood bool
	// Since is when what is in force was first known to be good.
	Since time.Time
	// Recorded says that it was taken from the record, after a restart.
	Recorded bool
	// Tolerated is why this version would refuse what is in force, had another version
	// not accepted it; nil: it would not.
	Tolerated error
}

// State says what is in force since when, and why a newer one is not.
func (s *Source) State() State {
	now := s.standing.Load()
	state := State{State: s.loop.State(), Recorded: now.recorded, Tolerated: now.tolerated}
	if now.inForce != nil {
		state.LastGood, state.Since = now.refusal != nil, now.inForce.Since
	}
	return state
}

// Followers are those of the ConfigMaps.
func (s *Source) Followers() []*follower.Follower { return s.followers }

// Troubles names what is wrong with the record.
func (s *Source) Troubles() []string {
	if k := s.reader.records.keeper; k != nil {
		return slices.Clone(k.Troubles())
	}
	return nil
}
