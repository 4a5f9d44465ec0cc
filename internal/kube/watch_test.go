package kube

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clientcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	clienttesting "k8s.io/client-go/testing"
)

// listless tells client-go that the fake only knows list, then watch.
type listless struct{ clientcorev1.SecretInterface }

func (listless) IsWatchListSemanticsUnSupported() bool { return true }

func TestFollow(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := fake.NewClientset()
	var broken atomic.Int32
	broken.Store(3)
	client.PrependReactor("list", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		selector := action.(clienttesting.ListAction).GetListRestrictions().Fields.String()
		if selector != "metadata.name=certs" {
			t.Errorf("lists by %q, which resourceNames do not allow", selector)
		}
		return broken.Add(-1) >= 0, nil, apierrors.NewServiceUnavailable("starting")
	})
	api := client.CoreV1().Secrets("ns")
	type event struct {
		value  string
		exists bool
	}
	events, failures, works := make(chan event, 100), make(chan error, 100), make(chan struct{}, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Follow(ctx, listless{api}, "certs", func(s *corev1.Secret, exists bool) {
			if !exists {
				events <- event{}
				return
			}
			events <- event{string(s.Data["v"]), true}
		}, func(err error) {
			if err == nil {
				works <- struct{}{}
				return
			}
			failures <- err
		})
	}()
	next := func() event {
		t.Helper()
		select {
		case e := <-events:
			return e
		case <-time.After(20 * time.Second):
			t.Fatal("no event")
			return event{}
		}
	}
	if e := next(); e.exists || len(failures) != 3 {
		t.Fatalf("first event %+v after %d failures, want none existing after 3", e, len(failures))
	}
	<-works // the list
	<-works // the watch, from here on events come
	secret := func(v string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "certs"}, Data: map[string][]byte{"v": []byte(v)}}
	}
	if _, err := api.Create(ctx, secret("1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e != (event{"1", true}) {
		t.Errorf("created: %+v", e)
	}
	if _, err := api.Update(ctx, secret("2"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e != (event{"2", true}) {
		t.Errorf("updated: %+v", e)
	}
	if err := api.Delete(ctx, "certs", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if e := next(); e.exists {
		t.Errorf("deleted: %+v", e)
	}
	cancel()
	<-done
}

// scripted is an API server whose list and watch the test gives.
type scripted struct {
	list  func(ctx context.Context) (*corev1.NodeList, error)
	watch func(ctx context.Context) (watch.Interface, error)
}

func (scripted) IsWatchListSemanticsUnSupported() bool { return true }

func (s scripted) List(ctx context.Context, _ metav1.ListOptions) (*corev1.NodeList, error) {
	return s.list(ctx)
}

func (s scripted) Watch(ctx context.Context, _ metav1.ListOptions) (watch.Interface, error) {
	return s.watch(ctx)
}

func node(name string) *corev1.Node { return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}} }

func TestFollowAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := watch.NewFake()
		var got []string
		note := func(what string, nodes ...*corev1.Node) {
			for _, n := range nodes {
				what += " " + n.Name
			}
			got = append(got, what)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			FollowAll(ctx, scripted{
				list: func(context.Context) (*corev1.NodeList, error) {
					return &corev1.NodeList{Items: []corev1.Node{*node("a"), *node("b")}}, nil
				},
				watch: func(context.Context) (watch.Interface, error) { return events, nil },
			}, Handler[*corev1.Node]{
				Replace: func(all []*corev1.Node) { note("all", all...) },
				Set:     func(n *corev1.Node) { note("set", n) },
				Remove:  func(n *corev1.Node) { note("removed", n) },
				Failed: func(err error) {
					if err != nil {
						t.Errorf("failed: %v", err)
					}
				},
			})
		}()
		events.Add(node("c"))
		events.Modify(node("c"))
		events.Delete(node("a"))
		synctest.Wait()
		if want := []string{"all a b", "set c", "set c", "removed a"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		cancel()
		<-done
	})
}

func TestObjectsOfAnotherType(t *testing.T) {
	store := &handlerStore[*corev1.Node]{h: Handler[*corev1.Node]{Shrink: func(*corev1.Node) *corev1.Node { return node("small") }}}
	if store.Add(&corev1.Pod{}) == nil || store.Replace([]any{&corev1.Pod{}}, "") == nil {
		t.Error("a pod was taken for a node")
	}
	if other, err := store.Transformer()("x"); err != nil || other != "x" {
		t.Errorf("another object is shrunk to %v, %v", other, err)
	}
	if small, err := store.Transformer()(node("large")); err != nil || small.(*corev1.Node).Name != "small" {
		t.Errorf("a node is shrunk to %v, %v", small, err)
	}
}

// TestStopWhileAPIServerAway stops in the pause between two attempts.
func TestStopWhileAPIServerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		failures := make(chan error, 100)
		done := make(chan struct{})
		away := scripted{
			list:  func(context.Context) (*corev1.NodeList, error) { return nil, syscall.ECONNREFUSED },
			watch: func(context.Context) (watch.Interface, error) { return nil, syscall.ECONNREFUSED },
		}
		go func() {
			defer close(done)
			FollowAll(ctx, away, Handler[*corev1.Node]{Failed: func(err error) { failures <- err }})
		}()
		for range 4 { // the pauses grow
			<-failures
		}
		synctest.Wait()
		begin := time.Now()
		cancel()
		<-done
		if d := time.Since(begin); d > 0 {
			t.Errorf("it went on for %s", d)
		}
		time.Sleep(time.Minute) // of the bubble's time: the reflector wakes up and ends
	})
}

// TestAPIServerThatNeverAnswers hangs the list first, then the watch.
func TestAPIServerThatNeverAnswers(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, api := range map[string]scripted{
		"list": {
			list: func(ctx context.Context) (*corev1.NodeList, error) { return nil, hang(ctx) },
		},
		"watch": {
			list:  func(context.Context) (*corev1.NodeList, error) { return &corev1.NodeList{}, nil },
			watch: func(ctx context.Context) (watch.Interface, error) { return nil, hang(ctx) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				failures := make(chan error, 100)
				done := make(chan struct{})
				go func() {
					defer close(done)
					FollowAll(ctx, api, Handler[*corev1.Node]{Replace: func([]*corev1.Node) {}, Failed: func(err error) {
						if err != nil {
							failures <- err
						}
					}})
				}()
				begin := time.Now()
				if err := <-failures; Classify(err) != Unreachable && !errors.Is(err, context.Canceled) {
					t.Errorf("a call without an answer is %v", err)
				}
				if d := time.Since(begin); d != callTimeout {
					t.Errorf("it hung for %s, want %s", d, callTimeout)
				}
				<-failures // it is tried again
				cancel()
				<-done
				time.Sleep(time.Minute)
			})
		})
	}
}
