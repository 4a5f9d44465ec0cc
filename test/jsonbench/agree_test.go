package jsonbench

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

// odd are pods that an API server might meet, or that somebody might send to
// fool one of two readers. What the API server's own decoder says of them is
// what is right.
var odd = []struct{ what, json string }{
	{"names in another case", `{"Metadata":{"name":"a"},"spec":{"HostNetwork":true}}`},
	{"a name twice in two cases", `{"spec":{"hostNetwork":true,"HostNetwork":false}}`},
	{"a name twice", `{"metadata":{"name":"a"},"spec":{"hostNetwork":true,"hostNetwork":false}}`},
	{"an object twice", `{"spec":{"hostNetwork":true},"spec":{"hostPID":true}}`},
	{"a list twice", `{"spec":{"containers":[{"name":"a","image":"i"}],"containers":[{"name":"b"}]}}`},
	{"an unknown field", `{"metadata":{"name":"a"},"spec":{"newerField":{"a":[1]}}}`},
	{"null for everything", `{"metadata":null,"spec":{"containers":null,"nodeSelector":null,"hostNetwork":null}}`},
	{"a null in a list", `{"spec":{"containers":[null,{"name":"a"}]}}`},
	{"quantities as numbers", `{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":0.5,"memory":1000}}}]}}`},
	{"ports as text and number", `{"spec":{"containers":[{"name":"a","livenessProbe":{"httpGet":{"port":"http"}},"readinessProbe":{"tcpSocket":{"port":80}}}]}}`},
	{"escapes", `{"metadata":{"annotations":{"a":"\u00e9\ud83d\ude00\n<&>\u2028"}}}`},
	{"half a surrogate pair", `{"metadata":{"annotations":{"a":"\ud83d"}}}`},
	{"bytes that are not UTF-8", "{\"metadata\":{\"annotations\":{\"a\":\"\xff\"}}}"},
	{"a number too large", `{"spec":{"priority":99999999999}}`},
	{"a number with an exponent", `{"spec":{"priority":1e2}}`},
	{"text for a number", `{"spec":{"priority":"1"}}`},
	{"a list for an object", `{"spec":[]}`},
	{"an end too early", `{"spec":{"containers":[{"name":"a"}`},
	{"something after the end", `{"spec":{}} x`},
	{"a comma too many", `{"spec":{"containers":[{"name":"a"},]}}`},
	{"a control character in text", "{\"metadata\":{\"name\":\"a\tb\"}}"},
	{"depth", `{"spec":{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}}`},
	{"managed fields", `{"metadata":{"managedFields":[{"manager":"m","fieldsV1":{"f:spec":{"k:{\"name\":\"a\"}":{}}}}]}}`},
	{"times", `{"metadata":{"creationTimestamp":"2026-11-22T09:00:00Z","deletionTimestamp":null}}`},
	{"a bad time", `{"metadata":{"creationTimestamp":"yesterday"}}`},
}

// verdicts says of each odd pod in what a candidate differs from the reference;
// nothing where it agrees.
func verdicts(c Candidate) []string {
	var out []string
	for _, o := range odd {
		if d := difference(c, []byte(o.json)); d != "" {
			out = append(out, o.what+": "+d)
		}
	}
	if c.Marshal != nil && !encodes(c) {
		out = append(out, "encoding: writes something else")
	}
	return out
}

// encodes says whether a pod as API servers send it is the same after it was
// written and read again.
func encodes(c Candidate) bool {
	before := pods.WithVariables(1)
	data, err := c.Marshal(before)
	if err != nil {
		return false
	}
	reread, err := json.Marshal(before)
	if err != nil {
		return false
	}
	var want, got corev1.Pod
	return kjson.UnmarshalCaseSensitivePreserveInts(reread, &want) == nil &&
		kjson.UnmarshalCaseSensitivePreserveInts(data, &got) == nil && cmp.Equal(want, got)
}

func difference(c Candidate, data []byte) (verdict string) {
	defer func() {
		if p := recover(); p != nil {
			verdict = fmt.Sprintf("panics: %v", p)
		}
	}()
	var want, got corev1.Pod
	wantErr := kjson.UnmarshalCaseSensitivePreserveInts(data, &want)
	gotErr := c.Unmarshal(data, &got)
	switch {
	case wantErr == nil && gotErr != nil:
		return "refuses it"
	case wantErr != nil && gotErr == nil:
		return "takes it, which is an error"
	case wantErr != nil:
		return ""
	}
	if !cmp.Equal(want, got) {
		return "reads something else"
	}
	return ""
}

// agreed is the differences known of each candidate. The decision record rests
// on them; an update of a library that changes them must be noticed.
var agreed = filepath.Join("testdata", "differences.json")

func TestDifferences(t *testing.T) {
	got := map[string][]string{}
	for _, c := range Candidates() {
		got[c.Name] = verdicts(c)
	}
	if len(got[Reference]) > 0 {
		t.Errorf("the reference differs from itself: %v", got[Reference])
	}
	want := map[string][]string{}
	if data, err := os.ReadFile(agreed); err == nil {
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv("UPDATE") != "" {
		for name, list := range got {
			want[name] = list
		}
		data, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(agreed, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name := range got {
		if d := cmp.Diff(want[name], got[name]); d != "" {
			t.Errorf("%s: the differences are not those on record (-recorded +now; run with UPDATE=1 to record):\n%s", name, d)
		}
	}
}

// TestAgreementOnRealPods: on pods as they come, every candidate must agree; one
// that does not is out.
func TestAgreementOnRealPods(t *testing.T) {
	inputs, err := Inputs()
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string][]byte{}
	for _, in := range inputs {
		objects[in.Name] = in.Raw
	}
	if root := os.Getenv("CONFORMANCE"); root != "" {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "pod.json" {
				objects[path], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d pods", len(objects))
	for _, c := range Candidates() {
		for name, data := range objects {
			if d := difference(c, data); d != "" {
				t.Errorf("%s: %s: %s", c.Name, name, d)
			}
		}
	}
}
