package kube

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// Client reads and writes objects of one kind, lists of which are L, as the typed
// clients of client-go do. Errors are those of
// k8s.io/apimachinery/pkg/api/errors.
type Client[T object, L runtime.Object] struct {
	group      rest.Interface
	parameters runtime.ParameterCodec
	resource   string
	namespace  string // empty: the kind has none
	one        func() T
	list       func() L
}

type object interface {
	runtime.Object
	metav1.Object
}

// to directs a request at the kind.
func (c *Client[T, L]) to(r *rest.Request) *rest.Request {
	return r.NamespaceIfScoped(c.namespace, c.namespace != "").Resource(c.resource)
}

// object is what the API server answers a request with.
func (c *Client[T, L]) object(ctx context.Context, r *rest.Request) (T, error) {
	obj := c.one()
	return obj, r.Do(ctx).Into(obj)
}

// Get returns the object of that name.
func (c *Client[T, L]) Get(ctx context.Context, name string, opts metav1.GetOptions) (T, error) {
	return c.object(ctx, c.to(c.group.Get()).Name(name).VersionedParams(&opts, c.parameters))
}

// Create returns the object as it was created.
func (c *Client[T, L]) Create(ctx context.Context, obj T, opts metav1.CreateOptions) (T, error) {
	return c.object(ctx, c.to(c.group.Post()).VersionedParams(&opts, c.parameters).Body(obj))
}

// CreateJSON creates an object from its JSON, which is sent as it is: with fields
// that our types do not know. What the API server makes of it is not read.
func (c *Client[T, L]) CreateJSON(ctx context.Context, object []byte, opts metav1.CreateOptions) error {
	return c.to(c.group.Post()).VersionedParams(&opts, c.parameters).SetHeader("Content-Type", runtime.ContentTypeJSON).Body(object).Do(ctx).Error()
}

// Update returns the object as it was stored.
func (c *Client[T, L]) Update(ctx context.Context, obj T, opts metav1.UpdateOptions) (T, error) {
	return c.object(ctx, c.to(c.group.Put()).Name(obj.GetName()).VersionedParams(&opts, c.parameters).Body(obj))
}

// Patch returns the object as it was stored.
func (c *Client[T, L]) Patch(ctx context.Context, name string, kind types.PatchType, body []byte, opts metav1.PatchOptions, subresources ...string) (T, error) {
	return c.object(ctx, c.to(c.group.Patch(kind)).Name(name).SubResource(subresources...).VersionedParams(&opts, c.parameters).Body(body))
}

// List returns the objects that opts select.
func (c *Client[T, L]) List(ctx context.Context, opts metav1.ListOptions) (L, error) {
	list := c.list()
	return list, c.to(c.group.Get()).VersionedParams(&opts, c.parameters).Timeout(timeout(opts)).Do(ctx).Into(list)
}

// Watch tells of changes of the objects that opts select.
func (c *Client[T, L]) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	opts.Watch = true

	return c.to(c.group.Get()).VersionedParams(&opts, c.parameters).Timeout(timeout(opts)).Watch(ctx)
}

func timeout(opts metav1.ListOptions) time.Duration {
	if opts.TimeoutSeconds == nil {
		return 0 // none
	}
	return time.Duration(*opts.TimeoutSeconds) * time.Second
}
