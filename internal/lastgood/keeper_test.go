package lastgood

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
)

// store is one ConfigMap of an API server, with its conditions on writes.
type store struct {
	mu      sync.Mutex
	cm      *corev1.ConfigMap // nil: there is none
	version int
	err     error // of every get and update, where it is not nil
	listErr error // of every list and watch
	writes  int
	watches []*watch.RaceFreeFakeWatcher
	// beforeUpdate is called in each Update before it looks at anything.
	beforeUpdate func()
}

var resource = schema.GroupResource{Resource: "configmaps"}

func newStore() *store {
	return &store{cm: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "record", ResourceVersion: "0", Labels: map[string]string{"chart": "x"}}}}
}

func (s *store) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.ConfigMap, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if s.cm == nil {
		return nil, apierrors.NewNotFound(resource, name)
	}
	return s.cm.DeepCopy(), nil
}

func (s *store) Update(_ context.Context, cm *corev1.ConfigMap, _ metav1.UpdateOptions) (*corev1.ConfigMap, error) {
	if s.beforeUpdate != nil {
		s.beforeUpdate()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return nil, s.err
	case s.cm == nil:
		return nil, apierrors.NewNotFound(resource, cm.Name)
	case cm.ResourceVersion != s.cm.ResourceVersion:
		return nil, apierrors.NewConflict(resource, cm.Name, errors.New("changed"))
	}
	s.writes++
	s.store(cm.DeepCopy())
	return s.cm.DeepCopy(), nil
}

// store puts an object in the place of what there is, and tells of it.
func (s *store) store(cm *corev1.ConfigMap) {
	s.version++
	cm.ResourceVersion = strconv.Itoa(s.version)
	s.cm = cm
	for _, w := range s.watches {
		w.Modify(cm.DeepCopy())
	}
}

func (s *store) List(context.Context, metav1.ListOptions) (*corev1.ConfigMapList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listErr != nil {
		return nil, s.listErr
	}
	list := &corev1.ConfigMapList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
	if s.cm != nil {
		list.Items = append(list.Items, *s.cm.DeepCopy())
	}
	return list, nil
}

func (s *store) Watch(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listErr != nil {
		return nil, s.listErr
	}
	if o.SendInitialEvents != nil {
		return nil, apierrors.NewInvalid(schema.GroupKind{}, "", nil) // an old API server: the list is asked for
	}
	w := watch.NewRaceFreeFake()
	s.watches = append(s.watches, w)
	return w, nil
}

// held is the record in the store.
func (s *store) held(t *testing.T) *Record {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := Decode(s.cm)
	if err != nil && !errors.Is(err, ErrEmpty) {
		t.Fatal(err)
	}
	return r
}

// rig is a Keeper, what its server thinks, and what the cluster holds.
type rig struct {
	*Keeper
	mu    sync.Mutex
	state State
	live  string
	log   bytes.Buffer
}

func newRig(s *store) *rig {
	r := &rig{}
	r.Keeper = NewKeeper(Options{
		Name: types.NamespacedName{Namespace: "ns", Name: "record"}, Client: s,
		State:   func() State { r.mu.Lock(); defer r.mu.Unlock(); return r.state },
		Digest:  func(context.Context) (string, error) { r.mu.Lock(); defer r.mu.Unlock(); return r.live, nil },
		Changed: func() {}, Clock: clock.RealClock{}, Rand: func() float64 { return 0 }, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
	return r
}

// is sets what the server thinks, and what the cluster holds.
func (r *rig) is(s State, live string) {
	r.mu.Lock()
	r.state, r.live = s, live
	r.mu.Unlock()
	r.Wake()
}

func inForce(r *Record) State { return State{InForce: r, Newest: true} }

func refusedWith(inForce *Record, digest string) State {
	return State{InForce: inForce, Refused: &Refusal{Digest: digest, Reason: "because", Since: time.Unix(1e9, 0)}}
}

func TestNext(t *testing.T) {
	a, b := recordOf("a"), recordOf("b")
	aRefused := recordOf("a")
	aRefused.Refused = &Refusal{Digest: "c", Reason: "because"}
	for name, tc := range map[string]struct {
		have *Record
		now  State
		want string // the record's hash, and what is refused in it; empty: nothing is written
		must string
	}{
		"nothing in force":                        {nil, State{}, "", ""},
		"nothing in force, something recorded":    {a, State{Refused: &Refusal{Digest: "c"}}, "", ""},
		"the first":                               {nil, inForce(a), "hash of a", ""},
		"the first, refused meanwhile":            {nil, refusedWith(a, "c"), "hash of a", ""},
		"the same":                                {a, inForce(a), "", ""},
		"the next":                                {a, inForce(b), "hash of b", b.Documents.Digest()},
		"the next after a refusal":                {aRefused, inForce(b), "hash of b", b.Documents.Digest()},
		"mended by taking it back":                {aRefused, inForce(a), "hash of a", a.Documents.Digest()},
		"refused":                                 {a, refusedWith(a, "c"), "hash of a, refused c", "c"},
		"refused, as is recorded":                 {aRefused, refusedWith(a, "c"), "", ""},
		"another one refused":                     {aRefused, refusedWith(a, "d"), "hash of a, refused d", "d"},
		"refused, but another version accepts it": {b, refusedWith(a, b.Documents.Digest()), "", ""},
		"waits for something":                     {a, State{InForce: b}, "", ""},
		"gone":                                    {a, refusedWith(a, ""), "hash of a, refused ", ""},
	} {
		want, must := next(tc.have, tc.now)
		got := ""
		if want != nil {
			got = want.Hash
			if want.Refused != nil {
				got += ", refused " + want.Refused.Digest
			}
		}
		if got != tc.want {
			t.Errorf("%s: writes %q, want %q", name, got, tc.want)
		}
		if must != nil && *must != tc.must || must == nil && tc.must != "" {
			t.Errorf("%s: only with %v, want %q", name, must, tc.must)
		}
	}
}

// run runs Keepers in a bubble of time, and steps in it.
func run(t *testing.T, test func(t *testing.T, s *store, start func() *rig)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		s := newStore()
		test(t, s, func() *rig {
			r := newRig(s)
			all.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			return r
		})
		cancel()
		all.Wait()
		time.Sleep(time.Minute) // of the bubble's time: what follows the store wakes up and ends
	})
}

func settle() {
	time.Sleep(15 * time.Second)
	synctest.Wait()
}

func TestARecordFollowsWhatIsInForce(t *testing.T) {
	run(t, func(t *testing.T, s *store, start func() *rig) {
		a, b := recordOf("a"), recordOf("b")
		k := start()
		k.is(inForce(a), a.Documents.Digest())
		settle()
		if got := s.held(t); got == nil || got.Hash != a.Hash || got.Refused != nil || s.cm.Labels["chart"] != "x" {
			t.Fatalf("recorded is %+v, labels %v", got, s.cm.Labels)
		}
		if got, err := k.Record(); err != nil || got.Hash != a.Hash {
			t.Errorf("known is %+v, %v", got, err)
		}
		k.is(refusedWith(a, "c"), "c")
		settle()
		if got := s.held(t); got.Hash != a.Hash || got.Refused == nil || got.Refused.Reason != "because" {
			t.Errorf("recorded is %+v", got)
		}
		k.is(inForce(b), b.Documents.Digest())
		settle()
		if got := s.held(t); got.Hash != b.Hash || got.Refused != nil {
			t.Errorf("recorded is %+v", got)
		}
		before := s.writes
		time.Sleep(time.Hour)
		if s.writes != before || before != 3 {
			t.Errorf("%d writes, and %d in an hour of peace", before, s.writes-before)
		}
	})
}

// Of two replicas one has an older view, which it believes to be the newest.
func TestAnOlderViewNeverReplacesANewerRecord(t *testing.T) {
	a, b := recordOf("a"), recordOf("b")
	run(t, func(t *testing.T, s *store, start func() *rig) {
		late, early := start(), start()
		early.is(inForce(b), b.Documents.Digest())
		settle()
		late.is(inForce(a), b.Documents.Digest()) // the cluster holds b
		time.Sleep(10 * time.Minute)
		if got := s.held(t); got.Hash != b.Hash || s.writes != 1 {
			t.Errorf("recorded is %s after %d writes", got.Hash, s.writes)
		}
	})
	// The newer one is recorded while the older one is about to write.
	run(t, func(t *testing.T, s *store, start func() *rig) {
		first := recordOf("first")
		must(t, first.encode(s.cm))
		late := start()
		var once sync.Once
		s.beforeUpdate = func() {
			once.Do(func() {
				s.mu.Lock()
				newer := s.cm.DeepCopy()
				_ = b.encode(newer)
				s.store(newer)
				s.mu.Unlock()
				late.is(inForce(a), b.Documents.Digest())
			})
		}
		late.is(inForce(a), a.Documents.Digest())
		time.Sleep(10 * time.Minute)
		if got := s.held(t); got.Hash != b.Hash || s.writes != 0 {
			t.Errorf("recorded is %s after %d writes", got.Hash, s.writes)
		}
	})
}

func TestManyReplicasWriteOnce(t *testing.T) {
	run(t, func(t *testing.T, s *store, start func() *rig) {
		a := recordOf("a")
		var all []*rig
		for range 5 {
			all = append(all, start())
		}
		for _, k := range all {
			k.is(inForce(a), a.Documents.Digest())
		}
		settle()
		if s.writes != 1 {
			t.Errorf("%d writes", s.writes)
		}
	})
}

// Each trouble ends with its cause, and the record is what it should be then.
func TestTroublesOfARecord(t *testing.T) {
	gone := func(s *store) { s.cm = nil }
	for name, tc := range map[string]struct {
		harm, mend func(*store)
		want       string
	}{
		"does not exist": {gone, func(s *store) { s.cm = newStore().cm }, "configmap ns/record does not exist"},
		"no right": {
			func(s *store) { s.err = apierrors.NewForbidden(resource, "record", errors.New("no")) },
			func(s *store) { s.err = nil }, "not allowed to get configmap ns/record: grant the service account this verb on this name",
		},
		"an API server that is away": {
			func(s *store) { s.err = apierrors.NewServiceUnavailable("away") },
			func(s *store) { s.err = nil }, "because the API server does not answer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, s *store, start func() *rig) {
				a := recordOf("a")
				tc.harm(s)
				k := start()
				k.is(inForce(a), a.Documents.Digest())
				settle()
				if got := strings.Join(k.Troubles(), " "); got != troubleName {
					t.Errorf("troubles %q", got)
				}
				s.mu.Lock()
				tc.mend(s)
				s.mu.Unlock()
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if got := k.Troubles(); len(got) > 0 || s.held(t) == nil {
					t.Errorf("troubles %q, recorded is %+v", got, s.held(t))
				}
				if log := k.log.String(); !strings.Contains(log, tc.want) {
					t.Errorf("the log does not say %q:\n%s", tc.want, log)
				}
			})
		})
	}
}

// What a stranger has written there is said, and replaced by what is in force.
func TestARecordThatWasTamperedWith(t *testing.T) {
	run(t, func(t *testing.T, s *store, start func() *rig) {
		a := recordOf("a")
		must(t, a.encode(s.cm))
		s.cm.Data[keyDigest] = "x"
		k := start()
		settle()
		if got := strings.Join(k.Troubles(), " "); got != troubleName || s.writes != 0 {
			t.Errorf("troubles %q, %d writes", got, s.writes)
		}
		if _, err := k.Record(); err == nil || !strings.Contains(err.Error(), "configmap ns/record: key digest is not that of the documents") {
			t.Errorf("got %v", err)
		}
		k.is(refusedWith(a, "c"), "c")
		settle()
		if got := s.held(t); got == nil || got.Hash != a.Hash || len(k.Troubles()) > 0 {
			t.Errorf("recorded is %+v, troubles %q", got, k.Troubles())
		}
	})
}

// A person who edits, breaks and mends a configuration finds each good one recorded
// within seconds: the notes of refusals do not keep it waiting.
func TestManyEditsAreRecordedInTime(t *testing.T) {
	run(t, func(t *testing.T, s *store, start func() *rig) {
		k := start()
		before := recordOf("0")
		k.is(inForce(before), before.Documents.Digest())
		for n := range 30 {
			time.Sleep(3 * time.Second)
			bad := fmt.Sprint("bad", n)
			k.is(refusedWith(before, bad), bad)
			time.Sleep(3 * time.Second)
			good := recordOf(fmt.Sprint("good", n))
			k.is(inForce(good), good.Documents.Digest())
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := s.held(t); got.Hash != good.Hash || got.Refused != nil {
				t.Fatalf("recorded is %s two seconds after edit %d", got.Hash, n)
			}
			before = good
		}
	})
}

// Somebody who writes the record all the time is not answered without end.
func TestABudgetOfWrites(t *testing.T) {
	run(t, func(t *testing.T, s *store, start func() *rig) {
		a := recordOf("a")
		k := start()
		k.is(inForce(a), a.Documents.Digest())
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			s.mu.Lock()
			s.store(newStore().cm)
			s.mu.Unlock()
		}
		synctest.Wait()
		if most := writeBurst + int(time.Minute/writeInterval) + 1; s.writes > most || s.writes < writeBurst {
			t.Errorf("%d writes in a minute, want %d at most", s.writes, most)
		}
		if got := strings.Join(k.Troubles(), " "); got != troubleName {
			t.Errorf("troubles %q", got)
		}
		time.Sleep(10 * time.Minute)
		if got := k.Troubles(); len(got) > 0 || s.held(t) == nil {
			t.Errorf("troubles %q, recorded is %+v", got, s.held(t))
		}
	})
}

// A start that waits for the record does not wait for an API server that is away.
func TestAttemptedInVain(t *testing.T) {
	s := newStore()
	s.listErr = apierrors.NewServiceUnavailable("away")
	k := newRig(s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = k.Run(ctx) }()
	select {
	case <-k.Attempted():
	case <-time.After(20 * time.Second):
		t.Error("it was not attempted")
	}
	if _, err := k.Record(); !errors.Is(err, ErrNotRead) {
		t.Errorf("got %v", err)
	}
	cancel()
	<-done
}
