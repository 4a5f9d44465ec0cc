package lastgood

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/control"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

const (
	// spread is over which time several replicas spread the same write. All but one of
	// them find it done, instead of a conflict.
	spread = 200 * time.Millisecond
	// A configuration that comes into force is written once, and so are a refusal and its
	// end. The interval is how fast a person edits: a record that is late by more than an
	// edit would have a restart serve the configuration before the last good one.
	writeBurst    = 20
	writeInterval = 2 * time.Second
	// The first and the longest pause after a call that failed.
	minBackoff = 200 * time.Millisecond
	maxBackoff = 30 * time.Second
	// lookAgain is when to look again after the cluster did not hold what this server
	// believes to be the newest: what it follows will tell it of the change, by then.
	lookAgain = 5 * time.Second
)

// troubleName names in logs and metrics what is wrong with the record.
const troubleName = "last good configuration"

// Client reads, follows and writes ConfigMaps of one namespace.
type Client interface {
	kube.Lister[*corev1.ConfigMapList]
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.ConfigMap, error)
	Update(ctx context.Context, cm *corev1.ConfigMap, opts metav1.UpdateOptions) (*corev1.ConfigMap, error)
}

// State is what a server serves, and what it thinks of the newest configuration.
type State struct {
	// InForce is the configuration in force, with the version that accepted it; nil: none.
	InForce *Record
	// Newest says that InForce is what the cluster holds now, and that the server has
	// nothing against it.
	Newest bool
	// Refused is why what the cluster holds now is not in force; nil when it is, or when
	// nobody knows yet.
	Refused *Refusal
}

// Options are what a Keeper works with. All are needed.
type Options struct {
	Name   types.NamespacedName
	Client Client
	// State is called from the Keeper's own goroutine.
	State func() State
	// Digest reads the configuration of the cluster from the API server, as it is now,
	// and returns the digest of its documents; empty when they are not there.
	Digest func(ctx context.Context) (string, error)
	// Changed is called after each change of the record, and when it is known first.
	Changed func()
	Clock   clock.Clock
	Rand    func() float64 // uniform in [0,1)
	Log     *slog.Logger
}

// Keeper follows the record and keeps it up to date. Its methods are safe for
// concurrent use.
//
// It never replaces a newer record by an older one, although each replica has its own
// view of the cluster, which may be late: it reads the record, then the cluster's
// configuration, and writes only what the cluster holds, on the condition that the
// record is still the one that was read. If another replica has recorded something
// newer before the first read, the second one sees the newer; if after it, the write
// is a conflict.
type Keeper struct {
	o    Options
	loop *control.Loop

	attempted chan struct{}
	once      sync.Once

	mu     sync.Mutex
	record *Record
	err    error
}

// ErrNotRead is the error of a record that was not read yet.
var ErrNotRead = errors.New("the record was not read yet")

// NewKeeper returns a Keeper that has not looked yet.
func NewKeeper(o Options) *Keeper {
	k := &Keeper{o: o, attempted: make(chan struct{}), err: ErrNotRead}
	wrong := func(err error) trouble.Trouble {
		return trouble.Trouble{Key: troubleName, Message: err.Error() + "; until that works the last good configuration is kept in memory alone"}
	}
	k.loop = control.New(control.Options{
		Object: k.object(), Look: k.look, Follow: k.follow, ReadFailed: wrong, WriteFailed: wrong,
		BudgetSpent: func() trouble.Trouble {
			return trouble.Trouble{Key: troubleName, Message: k.object() + " is written too often: somebody else writes it, or the configuration changes all the time; it is written less often now"}
		},
		Budget:     control.Budget{Burst: writeBurst, Every: writeInterval},
		MinBackoff: minBackoff, MaxBackoff: maxBackoff, Clock: o.Clock, Rand: o.Rand, Log: o.Log,
	})
	return k
}

func (k *Keeper) object() string { return "configmap " + k.o.Name.String() }

// Name is namespace/name of the ConfigMap.
func (k *Keeper) Name() string { return k.o.Name.String() }

// Run works until ctx ends, and then returns nil.
func (k *Keeper) Run(ctx context.Context) error { return k.loop.Run(ctx) }

// Wake tells the Keeper that its State has changed. It never waits.
func (k *Keeper) Wake() { k.loop.Wake() }

// Troubles names what is wrong now.
func (k *Keeper) Troubles() []string { return k.loop.Troubles() }

// Attempted is closed when the first attempt to read the record has ended, well or not.
func (k *Keeper) Attempted() <-chan struct{} { return k.attempted }

// Record returns the record as the API server had it last. The error is [ErrEmpty] when
// there is none, and else says why it cannot be used.
func (k *Keeper) Record() (*Record, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.record, k.err
}

// follow is for the loop: it keeps what Record returns, too.
func (k *Keeper) follow(ctx context.Context, changed func(), failed func(error)) {
	kube.Follow(ctx, k.o.Client, k.o.Name.Name, func(cm *corev1.ConfigMap, exists bool) {
		var record *Record
		err := ErrEmpty
		if exists {
			record, err = k.decode(cm)
		}
		k.mu.Lock()
		k.record, k.err = record, err
		k.mu.Unlock()
		k.once.Do(func() { close(k.attempted) })
		changed()
		k.o.Changed()
	}, func(err error) {
		if err != nil {
			k.once.Do(func() { close(k.attempted) })
		}
		failed(err)
	})
}

func (k *Keeper) decode(cm *corev1.ConfigMap) (*Record, error) {
	r, err := Decode(cm)
	if err != nil && !errors.Is(err, ErrEmpty) {
		err = fmt.Errorf("%s: %w", k.object(), err)
	}
	return r, err
}

// look reads the record and plans the write that it needs.
func (k *Keeper) look(ctx context.Context) (control.Plan, error) {
	cm, err := k.o.Client.Get(ctx, k.o.Name.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return control.Plan{Troubles: []trouble.Trouble{{
			Key: troubleName,
			Message: k.object() + " does not exist, so the last good configuration is kept in memory alone, and a server that starts while the configuration is refused has none: " +
				"helm upgrade makes it, or create one without data of this name",
		}}}, nil
	}
	if err != nil {
		return control.Plan{}, &kube.Error{Verb: "get", Object: k.object(), Err: err}
	}
	plan := control.Plan{}
	have, err := k.decode(cm)
	if err != nil && !errors.Is(err, ErrEmpty) {
		plan.Troubles = append(plan.Troubles, trouble.Trouble{
			Key: troubleName, Message: err.Error() + "; it is of no use until a server in which the newest configuration is in force writes it anew",
		})
	}
	want, must := next(have, k.o.State())
	if want == nil {
		return plan, nil
	}
	if must != nil {
		digest, err := k.o.Digest(ctx)
		if err != nil {
			return plan, err
		}
		if digest != *must {
			plan.Next = k.o.Clock.Now().Add(lookAgain)
			return plan, nil
		}
	}
	written := cm.DeepCopy()
	if err := want.encode(written); err != nil {
		plan.Troubles = append(plan.Troubles, trouble.Trouble{Key: troubleName, Message: err.Error()})
		return plan, nil
	}
	plan.Change, plan.Spread = change(want), spread
	plan.Write = func(ctx context.Context) error {
		if _, err := k.o.Client.Update(ctx, written, metav1.UpdateOptions{}); err != nil {
			return &kube.Error{Verb: "update", Object: k.object(), Err: err}
		}
		k.o.Log.Info("the last good configuration is recorded", "configmap", k.o.Name.String(), "hash", want.Hash, "refused", want.Refused != nil)
		return nil
	}
	return plan, nil
}

// change names what a record says that is new.
func change(r *Record) string {
	name := "record " + r.Documents.Digest()
	if r.Refused != nil {
		name += " while refused is " + r.Refused.Digest
	}
	return name
}

// next returns the record that is to be written; nil: none. Where must is not nil, it
// may be written only while the cluster's documents have this digest.
//
//	record       the newest configuration        written
//	none         in force, or refused            what is in force: nothing is lost by it
//	another one  in force                        what is in force
//	the same     in force, a refusal recorded    the record without the refusal
//	another one  refused, not recorded as such   the record with the refusal
//	the same     refused                         nothing: another version has accepted it
func next(have *Record, s State) (want *Record, must *string) {
	if s.InForce == nil {
		return nil, nil
	}
	if have == nil {
		r := *s.InForce
		r.Refused = nil
		return &r, nil
	}
	digest, inForce := have.Documents.Digest(), s.InForce.Documents.Digest()
	switch {
	case s.Newest && digest != inForce:
		r := *s.InForce
		r.Refused = nil
		return &r, &inForce
	case s.Newest && have.Refused != nil:
		r := *have
		r.Refused = nil
		return &r, &inForce
	case s.Newest, s.Refused == nil, s.Refused.Digest == digest:
		return nil, nil
	case have.Refused == nil || have.Refused.Digest != s.Refused.Digest:
		r := *have
		r.Refused = s.Refused
		return &r, &s.Refused.Digest
	}
	return nil, nil
}
