package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Lister lists and watches one kind; typed clients of client-go fit.
type Lister[L runtime.Object] interface {
	List(ctx context.Context, opts metav1.ListOptions) (L, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

// Handler receives what [FollowAll] reads. Its functions are called one at a time.
type Handler[T any] struct {
	// Replace gets all objects that exist: at first and after each new list.
	Replace func(all []T)
	// Set gets an object that was created or changed, Remove one that was deleted.
	Set, Remove func(obj T)
	// Shrink drops what is not needed from an object while a long list is received,
	// so that it is small when Replace gets it; nil: nothing. Other objects come
	// whole.
	Shrink func(obj T) T
	// Failed gets every failed call, and nil after each call that succeeds.
	Failed func(err error)
}

const (
	// callTimeout bounds a list and the beginning of a watch: an API server that
	// accepts connections and never answers must not stop a follower for ever.
	callTimeout = time.Minute
	// firstPause is the pause after the first failure. It doubles from there.
	firstPause = 100 * time.Millisecond
	// maxPauseOne is the longest pause between two attempts to follow one object.
	// Such an object decides over admission, so half a minute is too long, and a
	// handful of replicas that ask once a second is no load for an API server.
	maxPauseOne = time.Second
	// maxPauseAll is the same for all objects of a kind, which only improve answers
	// and are more expensive to list. It is client-go's default.
	maxPauseAll = 30 * time.Second
)

// Follow calls on with the named object, first as it is and then at every
// change; exists is false while there is no such object. Calls come one at a
// time. Every failed call of the API server is given to failed (nil after each
// call that succeeds), and is tried again for ever. Follow returns when ctx ends,
// and calls nothing afterwards.
//
// Only list and watch on this one name are needed, because the field selector
// metadata.name is what resourceNames are checked against.
func Follow[T, L runtime.Object](ctx context.Context, client Lister[L], name string, on func(obj T, exists bool), failed func(error)) {
	var none T
	known, existed := false, false
	gone := func() {
		if existed || !known {
			known, existed = true, false
			on(none, false)
		}
	}
	set := func(obj T) {
		known, existed = true, true
		on(obj, true)
	}
	selector := fields.OneTermEqualSelector("metadata.name", name).String()
	follow(ctx, client, selector, maxPauseOne, Handler[T]{
		Replace: func(all []T) {
			if len(all) == 0 {
				gone()
				return
			}
			set(all[0]) // a name is unique
		},
		Set:    set,
		Remove: func(T) { gone() },
		Failed: failed,
	})
}

// FollowAll gives all objects of a kind to h, first as they are and then each
// change. Failed calls are tried again for ever. It returns when ctx ends, and
// calls nothing afterwards.
func FollowAll[T, L runtime.Object](ctx context.Context, client Lister[L], h Handler[T]) {
	follow(ctx, client, "", maxPauseAll, h)
}

func follow[T, L runtime.Object](ctx context.Context, client Lister[L], selector string, maxPause time.Duration, h Handler[T]) {
	store := &handlerStore[T]{h: h}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			limited, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			opts.FieldSelector = selector
			list, err := client.List(limited, opts)
			store.called(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
			opts.FieldSelector = selector
			w, err := beginWatch(ctx, func(ctx context.Context) (watch.Interface, error) { return client.Watch(ctx, opts) })
			store.called(ctx, err)
			return w, err
		},
	}
	silent := logr.Discard() // the handler is told of failures
	var example T            // only its type is looked at
	reflector := cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(lw, client), example, store, cache.ReflectorOptions{
		Logger:  &silent,
		Backoff: &wait.Backoff{Duration: firstPause, Cap: maxPause, Steps: 50, Factor: 2, Jitter: 0.2},
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		reflector.RunWithContext(ctx)
	}()
	// Between two attempts the reflector sleeps without looking at ctx, for up to
	// maxPause: longer than a pod has to stop.
	select {
	case <-done:
	case <-ctx.Done():
	}
	store.close()
}

// beginWatch bounds the time until the API server answers, and not the time that
// the watch lasts.
func beginWatch(ctx context.Context, begin func(context.Context) (watch.Interface, error)) (watch.Interface, error) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(callTimeout, cancel)
	w, err := begin(ctx)
	if err != nil {
		timer.Stop()
		cancel()
		return nil, err
	}
	if !timer.Stop() {
		w.Stop()
		return nil, context.DeadlineExceeded
	}
	return &cancelingWatch{Interface: w, cancel: cancel}, nil
}

// cancelingWatch frees its context when it is stopped.
type cancelingWatch struct {
	watch.Interface
	cancel context.CancelFunc
}

func (w *cancelingWatch) Stop() {
	w.Interface.Stop()
	w.cancel()
}

// handlerStore is a reflector's store that hands objects on instead of keeping
// them.
type handlerStore[T any] struct {
	h Handler[T]

	mu     sync.Mutex
	closed bool
}

var _ cache.ReflectorStore = (*handlerStore[runtime.Object])(nil)

// call makes one call of the handler, unless Follow has returned.
func (s *handlerStore[T]) call(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		do()
	}
}

// close waits for the call that is being made and lets no other follow.
func (s *handlerStore[T]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// called tells of a call's end. That ctx ended is no failure, but the order to stop.
func (s *handlerStore[T]) called(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.call(func() { s.h.Failed(err) })
	}
}

func (s *handlerStore[T]) Add(obj any) error    { return s.each(obj, s.h.Set) }
func (s *handlerStore[T]) Update(obj any) error { return s.each(obj, s.h.Set) }
func (s *handlerStore[T]) Delete(obj any) error { return s.each(obj, s.h.Remove) }

func (s *handlerStore[T]) each(obj any, do func(T)) error {
	t, ok := obj.(T)
	if !ok {
		return fmt.Errorf("unexpected object %T", obj)
	}
	s.call(func() { do(t) })
	return nil
}

func (s *handlerStore[T]) Replace(list []any, _ string) error {
	all := make([]T, 0, len(list))
	for _, obj := range list {
		t, ok := obj.(T)
		if !ok {
			return fmt.Errorf("unexpected object %T", obj)
		}
		all = append(all, t)
	}
	s.call(func() { s.h.Replace(all) })
	return nil
}

// Resync does nothing: there is no queue behind this store.
func (s *handlerStore[T]) Resync() error { return nil }

// Transformer returns what shrinks an object before it is kept.
func (s *handlerStore[T]) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		if t, ok := obj.(T); ok && s.h.Shrink != nil {
			return s.h.Shrink(t), nil
		}
		return obj, nil
	}
}
