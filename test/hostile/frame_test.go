//go:build integration && linux

package hostile

import (
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestJudgesCanFail makes sure that the cases notice what they look for.
func TestJudgesCanFail(t *testing.T) {
	const sidecar = `{"op":"add","path":"/spec/containers/-","value":{"name":"istio-proxy","image":"proxy","securityContext":{"privileged":false,"readOnlyRootFilesystem":true}}}`
	for name, c := range map[string]struct {
		patch string
		want  string // of the error; empty for none
	}{
		"sidecar":                  {sidecar, ""},
		"no sidecar":               {`{"op":"test","path":"/spec/containers/0/name","value":"app"}`, "has 0 containers"},
		"two":                      {sidecar + "," + sidecar, "has 2 containers"},
		"a privileged sidecar":     {strings.Replace(sidecar, `"privileged":false`, `"privileged":true`, 1), "the rights"},
		"a command":                {strings.Replace(sidecar, `"image":"proxy"`, `"command":["evil"]`, 1), "the command"},
		"a variable":               {strings.Replace(sidecar, `"image":"proxy"`, `"env":[{"name":"EVIL"}]`, 1), "the variable"},
		"another container":        {sidecar + `,{"op":"add","path":"/spec/containers/-","value":{"name":"evil"}}`, "of its own"},
		"a lost container":         {sidecar + `,{"op":"remove","path":"/spec/containers/0"}`, "of its own"},
		"another image":            {sidecar + `,{"op":"replace","path":"/spec/containers/0/image","value":"evil"}`, "with evil"},
		"a volume":                 {sidecar + `,{"op":"add","path":"/spec/volumes","value":[{"name":"evil"}]}`, "the volume"},
		"an annotation":            {sidecar + `,{"op":"add","path":"/metadata/annotations","value":{"evil":"x"}}`, "the annotation"},
		"another name":             {sidecar + `,{"op":"replace","path":"/metadata/name","value":"evil"}`, "name or owners"},
		"the node's network":       {sidecar + `,{"op":"add","path":"/spec/hostNetwork","value":true}`, "hostNetwork"},
		"a patch that is no patch": {`{"op":`, "does not parse"},
	} {
		err := injectedOnce(smallPod, []byte("["+c.patch+"]"), nil)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
	for patch, want := range map[string]string{
		strings.Repeat(markA, 3): "a", strings.Repeat(markB, 3): "b", strings.Repeat(markA, 2) + markB: "", strings.Repeat(markA, 2): "",
	} {
		if got, err := setOf([]byte(patch)); got != want || (err == nil) != (want != "") {
			t.Errorf("%s is of set %q (%v), want %q", patch, got, err, want)
		}
	}
	denied := answer{status: http.StatusOK, response: &admissionv1.AdmissionResponse{Result: &metav1.Status{Code: 422, Message: "too many containers"}}}
	for name, c := range map[string]struct {
		got    answer
		expect func(answer) error
		right  bool
	}{
		"refused":                    {denied, refused("containers"), true},
		"refused for another reason": {denied, refused("volumes"), false},
		"refused with another code":  {denied, refusedWith(403), false},
		"let in":                     {answer{status: 200, response: &admissionv1.AdmissionResponse{Allowed: true}}, refused(), false},
		"rejected":                   {answer{status: 429}, rejected, true},
		"rejected when it is not":    {denied, rejected, false},
		"cut":                        {answer{err: errCut}, oneOf(408), true},
		"left open":                  {answer{err: errOpen}, oneOf(408), false},
		"another status":             {answer{status: 200}, oneOf(408), false},
	} {
		if err := c.expect(c.got); (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlacesOfGroups(t *testing.T) {
	places := placesOf("9:name=systemd:/\n4:memory:/a/b\n0::/a\n")
	want := []groupPlace{
		{"/sys/fs/cgroup/memory/a/b", version1},
		{"/sys/fs/cgroup/memory/a", version1},
		{"/sys/fs/cgroup/memory", version1},
		{"/sys/fs/cgroup/a", version2},
		{"/sys/fs/cgroup", version2},
	}
	if len(places) != len(want) {
		t.Fatalf("got %v", places)
	}
	for i, p := range places {
		if p != want[i] {
			t.Errorf("place %d is %+v, want %+v", i, p, want[i])
		}
	}
}
