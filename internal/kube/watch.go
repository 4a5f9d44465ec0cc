package kube

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// Lister lists and watches one kind; typed clients of client-go fit.
type Lister[L runtime.Object] interface {
	List(ctx context.Context, opts v1.ListOptions) (L, error)
	Watch(ctx context.Context, opts v1.ListOptions) (watch.Interface, error)
}

// Follow calls on with the named object, first as it is and then at every
// change; exists is false while there is no such object. Calls come one at a
// time. A failure is given to failed (nil means: it works again) and tried again
// for ever, after a tenth of a second at first and a second at last: the object
// decides over admission, so the default of half a minute is too long, and a
// handful of replicas that ask once a second is no load for an API server.
// Follow returns when ctx ends.
//
// Only get, list and watch on this one name are needed, because the field
// selector metadata.name is what resourceNames are checked against.
func Follow[T runtime.Object, L runtime.Object](ctx context.Context, client Lister[L], name string, example T, on func(obj T, exists bool), failed func(error)) {
	store := &single[T]{on: on}
	selector := fields.OneTermEqualSelector("metadata.name", name).String()
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts v1.ListOptions) (runtime.Object, error) {
			opts.FieldSelector = selector
			list, err := client.List(ctx, opts)
			tell(ctx, failed, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, opts v1.ListOptions) (watch.Interface, error) {
			opts.FieldSelector = selector
			w, err := client.Watch(ctx, opts)
			tell(ctx, failed, err)
			return w, err
		},
	}
	reflector := cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(lw, client), example, store, cache.ReflectorOptions{
		Name:    name,
		Logger:  ptr.To(logr.Discard()), // failures are told, once, by the caller
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Cap: time.Second, Steps: 50, Factor: 2, Jitter: 0.2},
	})
	reflector.RunWithContext(ctx)
}

func tell(ctx context.Context, failed func(error), err error) {
	// The end of ctx is no failure, but the order to stop.
	if ctx.Err() == nil {
		failed(err)
	}
}

// single is a reflector's store for at most one object.
type single[T runtime.Object] struct {
	mu     sync.Mutex
	synced bool
	exists bool
	on     func(T, bool)
}

var _ cache.ReflectorStore = (*single[runtime.Object])(nil)

func (s *single[T]) Add(obj any) error    { return s.set(obj) }
func (s *single[T]) Update(obj any) error { return s.set(obj) }

func (s *single[T]) set(obj any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := obj.(T); ok {
		s.synced, s.exists = true, true
		s.on(o, true)
	}
	return nil
}

func (s *single[T]) Delete(any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone()
	return nil
}

// Replace is the result of a list: the whole truth at its moment.
func (s *single[T]) Replace(objs []any, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, obj := range objs {
		if o, ok := obj.(T); ok {
			s.synced, s.exists = true, true
			s.on(o, true)
			return nil
		}
	}
	s.gone()
	return nil
}

func (s *single[T]) gone() {
	var none T
	if s.exists || !s.synced {
		s.synced, s.exists = true, false
		s.on(none, false)
	}
}

// Resync does nothing: there is no queue behind this store.
func (s *single[T]) Resync() error { return nil }
