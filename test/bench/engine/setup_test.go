package engine

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

func TestBothDialectsInjectAllPods(t *testing.T) {
	for _, setup := range setups(t) {
		snapshot, err := setup.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if got := snapshot.Dialect().String(); got != setup.Dialect {
			t.Errorf("the %s setup is of the %s dialect", setup.Dialect, got)
		}
		for _, shape := range shapes(t) {
			patches := map[string]bool{}
			for _, id := range [][2]uint32{{1, 1}, {1, 2}, {2, 1}} {
				reviews, err := pods.NewReviews(shape.Pod)
				if err != nil {
					t.Fatal(err)
				}
				body := Call(Handler(snapshot), reviews.Review(id[0], id[1])).Body.Bytes()
				if err := Injected(body); err != nil {
					t.Errorf("%s, %s: %v", setup.Dialect, shape.Name, err)
				}
				patches[patchOf(t, body)] = true
			}
			// Replicas get the same patch, other workloads another one: otherwise
			// cold and warm would measure the same.
			if len(patches) != 2 {
				t.Errorf("%s, %s: %d different patches for two workloads, want 2", setup.Dialect, shape.Name, len(patches))
			}
		}
	}
}

func TestSetupsSaysWhatIsMissing(t *testing.T) {
	_, err := Setups(root, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), CorporaEnv) {
		t.Errorf("an empty folder of corpora gives the error %v", err)
	}
}

func patchOf(t *testing.T, answer []byte) string {
	t.Helper()
	var review struct {
		Response struct{ Patch string }
	}
	if err := json.Unmarshal(answer, &review); err != nil {
		t.Fatal(err)
	}
	patch, err := base64.StdEncoding.DecodeString(review.Response.Patch)
	if err != nil {
		t.Fatal(err)
	}
	// The classic dialect mounts the token, whose volume has another name in each
	// replica.
	return regexp.MustCompile(`kube-api-access-[0-9a-f]+`).ReplaceAllString(string(patch), "token")
}
