package dryrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// creator answers with a function, and keeps what it got.
type creator struct {
	answer func(ctx context.Context, pod []byte, opts metav1.CreateOptions) error
	pods   [][]byte
	opts   []metav1.CreateOptions
}

func (c *creator) CreateJSON(ctx context.Context, pod []byte, opts metav1.CreateOptions) error {
	c.pods, c.opts = append(c.pods, pod), append(c.opts, opts)
	if c.answer == nil {
		return nil
	}
	return c.answer(ctx, pod, opts)
}

func trial(name, pod string) inject.Trial {
	return inject.Trial{Name: name, Templates: []string{"sidecar"}, Usual: true, Pod: []byte(pod)}
}

func failing(err error) *creator {
	return &creator{answer: func(context.Context, []byte, metav1.CreateOptions) error { return err }}
}

func messages(errs []error) string {
	var out []string
	for _, err := range errs {
		out = append(out, err.Error())
	}
	return strings.Join(out, "\n")
}

const plainPod = `{"metadata":{"name":"plain"},"spec":{"containers":[{"name":"app","image":"app"}]}}`

// What an API server says, and whose fault it is. The sentences are those of a real one.
func TestWhoseFault(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	status := func(code int32, reason metav1.StatusReason, message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
	}
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "p", field.ErrorList{
		field.Invalid(field.NewPath("spec").Child("containers").Index(1).Child("name"), "X_Bad", "must be lower case"),
		field.Required(field.NewPath("spec").Child("containers").Index(2).Child("image"), ""),
	})
	for _, c := range []struct {
		name                  string
		err                   error
		errors, skipped, hint string
		tried                 int
	}{
		{name: "let in", err: nil, tried: 1},
		{name: "there is one of that name", err: apierrors.NewAlreadyExists(pods, "p"), tried: 1},
		{name: "two fields", err: invalid, tried: 1, errors: `sample pod "plain" with the templates sidecar: the API server refuses the injected pod: spec.containers[1].name: Invalid value: "X_Bad": must be lower case
sample pod "plain" with the templates sidecar: the API server refuses the injected pod: spec.containers[2].image: Required value`},
		{name: "invalid without a field", err: status(422, metav1.StatusReasonInvalid, "no pod"), tried: 1, errors: `sample pod "plain" with the templates sidecar: the API server refuses the injected pod: no pod`},
		{name: "no pod", err: status(400, metav1.StatusReasonBadRequest, `Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container`), tried: 1, errors: `sample pod "plain" with the templates sidecar: the API server refuses the injected pod: json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container`},
		{name: "too large", err: status(413, metav1.StatusReasonRequestEntityTooLarge, "limit is 3145728"), tried: 1, errors: `sample pod "plain" with the templates sidecar: the API server refuses the injected pod: the API server does not read a pod that large`},
		{name: "PodSecurity", err: apierrors.NewForbidden(pods, "plain", errors.New(`violates PodSecurity "restricted:latest": runAsNonRoot != true`)), skipped: `sample pod "plain" with the templates sidecar: not tried, because namespace "ns" does not let in such a pod: violates PodSecurity "restricted:latest": runAsNonRoot != true`},
		{name: "a webhook's own code", err: status(422, metav1.StatusReasonInvalid, `admission webhook "x.example.com" denied the request: no`), skipped: `sample pod "plain" with the templates sidecar: not tried, because namespace "ns" does not let in such a pod: admission webhook "x.example.com" denied the request: no`},
		{name: "a webhook without dry run", err: status(400, metav1.StatusReasonBadRequest, `admission webhook "x.example.com" does not support dry run`), skipped: `sample pod "plain" with the templates sidecar: not tried, because namespace "ns" does not let in such a pod: admission webhook "x.example.com" does not support dry run`},
		{name: "a webhook that is away", err: apierrors.NewInternalError(errors.New(`failed calling webhook "x.example.com": connection refused`)), skipped: `sample pod "plain" with the templates sidecar: not tried, because namespace "ns" does not let in such a pod: Internal error occurred: failed calling webhook "x.example.com": connection refused`},
		{name: "a policy", err: status(422, metav1.StatusReasonInvalid, `pods "plain" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`), skipped: `sample pod "plain" with the templates sidecar: not tried, because namespace "ns" does not let in such a pod: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`},
		{name: "no right", err: apierrors.NewForbidden(pods, "", errors.New(`User "u" cannot create resource "pods" in API group "" in the namespace "ns"`)), errors: `the injected sample pods were not tried by the API server in namespace "ns": the right to create pods there is missing (pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "ns"): grant it, or validate without the dry run`},
		{name: "no namespace", err: apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "ns"), errors: `the injected sample pods were not tried by the API server in namespace "ns": there is no such namespace: create it, or name another`},
		{name: "nobody", err: apierrors.NewUnauthorized("Unauthorized"), errors: `the injected sample pods were not tried by the API server in namespace "ns": it does not accept the credentials (Unauthorized)`},
		{name: "overloaded", err: apierrors.NewTooManyRequests("too many requests", 1), errors: `the injected sample pods were not tried by the API server in namespace "ns", which does not answer: too many requests`},
		{name: "away", err: errors.New("connection refused"), errors: `the injected sample pods were not tried by the API server in namespace "ns", which does not answer: connection refused`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Server{Pods: failing(c.err), Namespace: "ns", Strict: true}.Try(t.Context(), []inject.Trial{trial("plain", plainPod)})
			if messages(got.Errors) != c.errors {
				t.Errorf("errors:\n%s\nwant:\n%s", messages(got.Errors), c.errors)
			}
			if strings.Join(got.Skipped, "\n") != c.skipped {
				t.Errorf("skipped:\n%s\nwant:\n%s", strings.Join(got.Skipped, "\n"), c.skipped)
			}
			if got.Tried != c.tried || len(got.Warnings) != 0 {
				t.Errorf("tried %d, want %d; warnings %q", got.Tried, c.tried, got.Warnings)
			}
		})
	}
}

// Unknown fields hide what else is wrong: the pod is sent once more without looking at
// them. Those that the injector does not know it has told itself.
func TestUnknownFieldsHideNothing(t *testing.T) {
	c := &creator{answer: func(_ context.Context, _ []byte, opts metav1.CreateOptions) error {
		if opts.FieldValidation == metav1.FieldValidationStrict {
			return apierrors.NewBadRequest(`Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.containers[1].stdinOnce", unknown field "spec.told", unknown field "spec.containers[1].someday"`)
		}
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "p", field.ErrorList{field.Required(field.NewPath("spec", "containers").Index(1).Child("image"), "")})
	}}
	trials := []inject.Trial{trial("plain", plainPod), trial("other", `{"spec":{}}`)}
	const (
		pod     = `sample pod "plain" with the templates sidecar: the API server `
		noImage = pod + "refuses the injected pod: spec.containers[1].image: Required value"
		asked   = pod + "does not know spec.containers[1].someday and drops it"
	)
	s := Server{Pods: c, Namespace: "ns", Strict: true, Asked: []string{"spec.containers.someday"}}
	got := s.Try(t.Context(), trials)
	want := pod + "refuses the injected pod: spec.containers[1].stdinOnce: the API server does not know this field\n" + noImage
	if messages(got.Errors) != want || !slices.Equal(got.Warnings, []string{asked}) || got.Tried != 2 {
		t.Errorf("strict: tried %d, errors:\n%s\nwant:\n%s\nwarnings %q", got.Tried, messages(got.Errors), want, got.Warnings)
	}
	s.Strict = false
	got = s.Try(t.Context(), trials)
	if messages(got.Errors) != noImage || !slices.Equal(got.Warnings, []string{pod + "does not know spec.containers[1].stdinOnce and drops it", asked}) {
		t.Errorf("not strict: errors %q, warnings %q", got.Errors, got.Warnings)
	}
}

// What every usual pod of some templates has is an error, what some have is not.
func TestErrorsAreOfEveryUsualPod(t *testing.T) {
	refusing := &creator{answer: func(_ context.Context, pod []byte, _ metav1.CreateOptions) error {
		if !strings.Contains(string(pod), `"bad"`) {
			return nil
		}
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "p", field.ErrorList{field.Required(field.NewPath("spec", "containers").Index(1).Child("image"), "")})
	}}
	of := func(name, hostname, template string, usual bool) inject.Trial {
		return inject.Trial{Name: name, Templates: []string{template}, Usual: usual, Pod: fmt.Appendf(nil, `{"spec":{"hostname":%q,"subdomain":%q}}`, hostname, name)}
	}
	for name, c := range map[string]struct {
		trials           []inject.Trial
		errors, warnings int
	}{
		"every usual one":            {[]inject.Trial{of("a", "bad", "x", true), of("b", "bad", "x", true), of("c", "good", "x", false)}, 1, 0},
		"some usual ones":            {[]inject.Trial{of("a", "bad", "x", true), of("b", "good", "x", true)}, 0, 1},
		"special ones":               {[]inject.Trial{of("a", "good", "x", true), of("b", "bad", "x", false)}, 0, 1},
		"special ones alone":         {[]inject.Trial{of("b", "bad", "x", false)}, 0, 1},
		"one template of two":        {[]inject.Trial{of("a", "good", "x", true), of("b", "bad", "y", true)}, 1, 0},
		"a pod that two trials make": {[]inject.Trial{of("a", "bad", "x", true), of("a", "bad", "x", true), of("b", "good", "x", true)}, 0, 1},
		"none":                       {[]inject.Trial{of("a", "good", "x", true)}, 0, 0},
	} {
		got := Server{Pods: refusing, Namespace: "ns"}.Try(t.Context(), c.trials)
		if len(got.Errors) != c.errors || len(got.Warnings) != c.warnings {
			t.Errorf("%s: errors %q, warnings %q", name, got.Errors, got.Warnings)
		}
	}
}

// Nothing is stored, and what is about the sample's place is not what is judged.
func TestWhatIsSent(t *testing.T) {
	c := &creator{}
	sample := `{"metadata":{"name":"x","namespace":"shop","generateName":"x-","ownerReferences":[{"name":"rs"}],"labels":{"app":"web","sidecar.istio.io/inject":"true"}},
		"spec":{"serviceAccountName":"example","containers":[{"name":"app","image":"app","someday":{"a":12345678901234567890}}]},"status":{"phase":"Running"}}`
	Server{Pods: c, Namespace: "ns"}.Try(t.Context(), []inject.Trial{trial("a", sample), trial("same", sample), trial("bad account", `{"spec":{"serviceAccountName":"No Name"}}`), trial("no pod", "[1]")})
	var sent []string
	for _, p := range c.pods {
		sent = append(sent, string(p))
	}
	want := []string{
		`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app":"web","sidecar.istio.io/inject":"false"},"name":"sidecar-injector-dry-run-0","namespace":"ns"},"spec":{"containers":[{"name":"app","image":"app","someday":{"a":12345678901234567890}}]}}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"sidecar.istio.io/inject":"false"},"name":"sidecar-injector-dry-run-2","namespace":"ns"},"spec":{"serviceAccountName":"No Name"}}`,
		"[1]",
	}
	if !slices.Equal(sent, want) {
		t.Errorf("sent:\n%s\nwant:\n%s", strings.Join(sent, "\n"), strings.Join(want, "\n"))
	}
	for _, o := range c.opts {
		if !slices.Equal(o.DryRun, []string{metav1.DryRunAll}) || o.FieldValidation != metav1.FieldValidationStrict {
			t.Errorf("options %+v", o)
		}
	}
}

func TestCallsAreBounded(t *testing.T) {
	many := func(n, size int) (out []inject.Trial) {
		for i := range n {
			name, _ := json.Marshal(fmt.Sprintf("%d%s", i, strings.Repeat("x", size)))
			out = append(out, trial(fmt.Sprint(i), fmt.Sprintf(`{"spec":{"hostname":%s}}`, name)))
		}
		return out
	}
	for name, trials := range map[string][]inject.Trial{"pods": many(3*maxPods, 0), "bytes": many(10, maxBytes/4)} {
		c := &creator{}
		got := Server{Pods: c, Namespace: "ns"}.Try(t.Context(), trials)
		sent := 0
		for _, p := range c.pods {
			sent += len(p)
		}
		if len(c.pods) == 0 || len(c.pods) > maxPods || sent > maxBytes || len(got.Errors) != 0 {
			t.Errorf("%s: %d calls of %d bytes, errors %q", name, len(c.pods), sent, got.Errors)
		}
		if len(got.Skipped) != 1 || !strings.Contains(got.Skipped[0], "were not tried: a dry run sends at most 60 pods of 8388608 bytes together") {
			t.Errorf("%s: skipped %q", name, got.Skipped)
		}
	}
}

// One reason for many pods is said once, and a call that fails for all is not repeated.
func TestSaidOnce(t *testing.T) {
	trials := []inject.Trial{trial("a", plainPod), trial("b", `{"spec":{"a":1}}`), trial("c", `{"spec":{"a":2}}`)}
	c := &creator{answer: func(_ context.Context, pod []byte, _ metav1.CreateOptions) error {
		var p struct{ Metadata struct{ Name string } }
		_ = json.Unmarshal(pod, &p)
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, p.Metadata.Name, errors.New("exceeded quota: q"))
	}}
	got := Server{Pods: c, Namespace: "ns"}.Try(t.Context(), trials)
	if want := `sample pod "a" with the templates sidecar and 2 more: not tried, because namespace "ns" does not let in such a pod: exceeded quota: q`; len(got.Errors) != 0 || !slices.Equal(got.Skipped, []string{want}) {
		t.Errorf("errors %q, skipped %q", got.Errors, got.Skipped)
	}
	c = failing(errors.New("connection refused"))
	if got := (Server{Pods: c, Namespace: "ns"}).Try(t.Context(), trials); len(got.Errors) != 1 || len(c.pods) != 1 {
		t.Errorf("%d calls, errors %q", len(c.pods), got.Errors)
	}
	var failed *CallError
	if got := (Server{Pods: c, Namespace: "ns"}).Try(t.Context(), trials); !errors.As(got.Errors[0], &failed) || failed.Namespace != "ns" || failed.Unwrap() == nil {
		t.Errorf("error %#v", got.Errors[0])
	}
}

// A role that was made a moment ago is not seen at once.
func TestTheRightComes(t *testing.T) {
	missing := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New(`User "u" cannot create resource "pods" in API group "" in the namespace "ns"`))
	c := &creator{}
	c.answer = func(context.Context, []byte, metav1.CreateOptions) error {
		if len(c.pods) < 3 {
			return missing
		}
		return nil
	}
	if got := (Server{Pods: c, Namespace: "ns", Patience: time.Minute}).Try(t.Context(), []inject.Trial{trial("a", plainPod)}); got.Tried != 1 || len(got.Errors) != 0 {
		t.Errorf("tried %d, errors %q", got.Tried, got.Errors)
	}
	got := Server{Pods: failing(missing), Namespace: "ns", Patience: time.Millisecond}.Try(t.Context(), []inject.Trial{trial("a", plainPod)})
	if len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Error(), "the right to create pods there is missing") {
		t.Errorf("errors %q", got.Errors)
	}
}

func TestNoTimeLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &creator{answer: func(ctx context.Context, _ []byte, _ metav1.CreateOptions) error {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("a call without a deadline")
		}
		return ctx.Err()
	}}
	got := Server{Pods: c, Namespace: "ns", Patience: time.Minute}.Try(ctx, []inject.Trial{trial("a", plainPod), trial("b", `{"spec":{}}`)})
	if len(got.Errors) != 1 || len(c.pods) != 1 || !errors.Is(got.Errors[0], context.Canceled) {
		t.Errorf("%d calls, errors %q", len(c.pods), got.Errors)
	}
}

func TestCodesAlone(t *testing.T) {
	for code, want := range map[int32]verdict{http.StatusBadRequest: unanswered, http.StatusConflict: unanswered, http.StatusServiceUnavailable: unanswered} {
		if got := judge(&apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Message: "x"}}); got.verdict != want {
			t.Errorf("%d: %v", code, got)
		}
	}
}
