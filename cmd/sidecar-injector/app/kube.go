package app

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// follower follows something in the API server, for ever: an API server that is
// away is tried again with backoff.
type follower struct {
	// what is followed, for messages: `configmap istio-system/istio`.
	what string
	// follow does it until ctx ends. It gives every failure to failed, and nil when
	// it works again.
	follow func(ctx context.Context, failed func(error))
	// noticed is told of both, too; may be nil.
	noticed func(error)
	trouble *trouble.Log

	// attempted is closed when it is known whether the first attempt went well.
	attempted chan struct{}
	once      sync.Once
}

// Run follows until ctx is done; then it returns nil.
func (f *follower) Run(ctx context.Context) error {
	f.follow(ctx, func(err error) {
		if err == nil {
			f.trouble.Clear("follow " + f.what)
		} else {
			f.trouble.Report("follow "+f.what, kube.Sentence(err, "list and watch", f.what)+"; trying again until it works")
			f.attempt()
		}
		if f.noticed != nil {
			f.noticed(err)
		}
	})
	return nil
}

func (f *follower) attempt() { f.once.Do(func() { close(f.attempted) }) }

// followAll gives all objects of a kind to store, as kube.Follow gives one.
func followAll[T, L runtime.Object](ctx context.Context, client kube.Lister[L], like T, store *objects[T], failed func(error)) {
	tell := func(err error) {
		if ctx.Err() == nil { // the end of ctx is no failure
			failed(err)
		}
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := client.List(ctx, o)
			tell(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := client.Watch(ctx, o)
			tell(err)
			return w, err
		},
	}
	silent := logr.Discard() // failures are told
	reflector := cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(source, client), like, store,
		cache.ReflectorOptions{Logger: &silent})
	done := make(chan struct{})
	go func() {
		defer close(done)
		reflector.RunWithContext(ctx)
	}()
	// Between two attempts at an API server that is away the reflector sleeps up
	// to half a minute without looking at ctx: all the time that a pod has to stop.
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// objects is a reflector's store that hands typed objects on instead of keeping
// them. Its functions are called one at a time.
type objects[T any] struct {
	replace func([]T) // with the whole truth
	set     func(T)
	remove  func(T)
	shrink  func(T) T // called first, so that a long list stays small
}

func (o *objects[T]) Add(obj any) error    { return each(obj, o.set) }
func (o *objects[T]) Update(obj any) error { return each(obj, o.set) }
func (o *objects[T]) Delete(obj any) error { return each(obj, o.remove) }
func (o *objects[T]) Resync() error        { return nil }

func (o *objects[T]) Replace(list []any, _ string) error {
	typed := make([]T, 0, len(list))
	for _, obj := range list {
		if err := each(obj, func(t T) { typed = append(typed, t) }); err != nil {
			return err
		}
	}
	o.replace(typed)
	return nil
}

// Transformer implements cache.TransformingStore.
func (o *objects[T]) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		if t, ok := obj.(T); ok {
			return o.shrink(t), nil
		}
		return obj, nil
	}
}

func each[T any](obj any, do func(T)) error {
	t, ok := obj.(T)
	if !ok {
		return fmt.Errorf("unexpected object %T", obj)
	}
	do(t)
	return nil
}
