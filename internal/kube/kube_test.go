package kube

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clientcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	clienttesting "k8s.io/client-go/testing"
)

var secrets = schema.GroupResource{Resource: "secrets"}

func TestSentence(t *testing.T) {
	refused := &url.Error{Op: "Get", URL: "https://10.0.0.1/api/v1/secrets?token=x", Err: syscall.ECONNREFUSED}
	tests := map[string]struct {
		err  error
		kind Trouble
		want string
	}{
		"forbidden":    {apierrors.NewForbidden(secrets, "certs", errors.New("no rule")), NoPermission, "not allowed to get secret ns/certs: grant the service account this verb on this name"},
		"unauthorized": {apierrors.NewUnauthorized("token expired"), NoPermission, "not allowed to get"},
		"conflict":     {apierrors.NewConflict(secrets, "certs", errors.New("x")), Conflict, "cannot get secret ns/certs because somebody else changed it in the meantime"},
		"not found":    {apierrors.NewNotFound(secrets, "certs"), NotFound, "because it does not exist"},
		"refused":      {refused, Unreachable, "because the API server does not answer: check that it runs and that network policies allow it (connection refused)"},
		"timeout":      {context.DeadlineExceeded, Unreachable, "because the API server does not answer"},
		"starting":     {apierrors.NewServiceUnavailable("starting"), Unreachable, "because the API server does not answer"},
		"invalid":      {apierrors.NewBadRequest("immutable."), Refused, "cannot get secret ns/certs: immutable"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Sentence(tt.err, "get", "secret ns/certs")
			if Classify(tt.err) != tt.kind || !strings.Contains(got, tt.want) || strings.HasSuffix(got, ".") {
				t.Errorf("%s: %q, want %s: %q", Classify(tt.err), got, tt.kind, tt.want)
			}
			if strings.Contains(got, "token=") {
				t.Errorf("the URL is in the sentence: %q", got)
			}
		})
	}
}

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
		Follow(ctx, listless{api}, "certs", &corev1.Secret{}, func(s *corev1.Secret, exists bool) {
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

func TestConfig(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := Config("", "x"); err == nil || !strings.Contains(err.Error(), "--kubeconfig must be given") {
		t.Errorf("outside a cluster: %v", err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Config(path, "x"); err == nil || !strings.Contains(err.Error(), "--kubeconfig "+path) {
		t.Errorf("broken file: %v", err)
	}
}
