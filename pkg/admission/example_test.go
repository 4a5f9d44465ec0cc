package admission_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// label is an engine that labels every pod.
type label struct{}

func (label) Inject(context.Context, inject.Request) inject.Result {
	return inject.Result{
		Decision: decide.Decision{Code: decide.PolicyEnabled, Outcome: decide.Inject},
		Patch:    []byte(`[{"op":"add","path":"/metadata/labels","value":{"mesh":"yes"}}]`),
	}
}

func (label) Hash() string { return "cafe" }

func Example() {
	h := admission.NewHandler(admission.Config{
		Engine: func() admission.Engine { return label{} },
		Observe: func(ev admission.Event) {
			fmt.Printf("%d %s in namespace %s\n", ev.HTTPStatus, ev.Decision, ev.Namespace)
		},
	})
	review := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","namespace":"shop","object":{"kind":"Pod"}}}`
	r := httptest.NewRequest(http.MethodPost, "/inject", strings.NewReader(review))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output:
	// 200 policy-enabled in namespace shop
	// {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"1","allowed":true,"auditAnnotations":{"config-hash":"cafe","decision":"policy-enabled"},"patchType":"JSONPatch","patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscyIsInZhbHVlIjp7Im1lc2giOiJ5ZXMifX1d"}}
}
