package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// judged answers a review with a verdict, and returns what came of it.
func judged(t *testing.T, v Verdict) (got struct {
	Allowed  bool
	Status   metav1.Status
	Warnings []string
}, ev Event,
) {
	t.Helper()
	h := NewObjectHandler(ObjectConfig{
		Judge: func(_ context.Context, o Object) Verdict {
			if o.Kind != "v1 ConfigMap" || o.Operation != "UPDATE" || string(o.New) != `{"a":1}` || string(o.Old) != `{"a":0}` {
				t.Errorf("asked about %+v", o)
			}
			return v
		},
		MaxBody: 1 << 20, Observe: func(e Event) { ev = e },
	})
	const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"version":"v1","kind":"ConfigMap"},"operation":"UPDATE","namespace":"ns","name":"x","object":{"a":1},"oldObject":{"a":0}}}`
	r := httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(review))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := struct{ Response any }{&got}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	return got, ev
}

func TestRefusalHasLinesAndCauses(t *testing.T) {
	got, ev := judged(t, Verdict{
		Code: "refused", Refused: true, Message: "two errors:", Public: "the log's sentence", Warnings: []string{"a warning"},
		Causes: []Cause{{"data.a", "a:1: wrong\n  1 | \x1b[31mred"}, {"data.b", "b:2: wrong, too"}},
	})
	if got.Allowed || got.Status.Code != 422 || got.Status.Reason != metav1.StatusReasonInvalid || len(got.Warnings) != 1 {
		t.Errorf("answered %+v", got)
	}
	if want := "two errors:\na:1: wrong\n  1 |  [31mred\nb:2: wrong, too"; got.Status.Message != want {
		t.Errorf("message %q, want %q", got.Status.Message, want)
	}
	if d := got.Status.Details; d.Kind != "ConfigMap" || d.Name != "x" || len(d.Causes) != 2 || d.Causes[1].Field != "data.b" || d.Causes[1].Message != "b:2: wrong, too" {
		t.Errorf("details %+v", d)
	}
	if ev.Message != "the log's sentence" || ev.Decision != "refused" || ev.Namespace != "ns" {
		t.Errorf("event %+v", ev)
	}
}

func TestRefusalIsBounded(t *testing.T) {
	many := Verdict{Refused: true, Message: "many:"}
	for i := range 3 * maxCauses {
		many.Causes = append(many.Causes, Cause{"data", fmt.Sprint("cause ", i)})
	}
	long := Verdict{Refused: true, Message: "long:"}
	for range 30 {
		long.Causes = append(long.Causes, Cause{"data", strings.Repeat("x\n", maxVerdict)})
	}
	for name, v := range map[string]Verdict{"many": many, "long": long} {
		got, _ := judged(t, v)
		lines := strings.Split(got.Status.Message, "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "and ") || !strings.HasSuffix(last, " more") || len(got.Status.Message) > maxVerdict+maxCause {
			t.Errorf("%s: %d bytes, which end %q", name, len(got.Status.Message), last)
		}
		size := 0
		for _, c := range got.Status.Details.Causes {
			size += len(c.Message)
		}
		if size > maxVerdict || len(got.Status.Details.Causes) > maxCauses+1 {
			t.Errorf("%s: %d causes of %d bytes", name, len(got.Status.Details.Causes), size)
		}
	}
}

func TestObjectIsLetIn(t *testing.T) {
	got, ev := judged(t, Verdict{Code: "accepted", Warnings: make([]string, 2*maxWarnings)})
	if !got.Allowed || len(got.Warnings) != maxWarnings || ev.HTTPStatus != http.StatusOK || ev.Decision != "accepted" {
		t.Errorf("answered %+v, event %+v", got, ev)
	}
}
