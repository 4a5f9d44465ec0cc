package podmodel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// mustReadAlike compares what we read with what the API server's own decoder
// reads: the error, its text, and every field. It reports whether it was a pod.
func mustReadAlike(t testing.TB, object []byte) bool {
	t.Helper()
	want := new(corev1.Pod)
	wantErr := kjson.UnmarshalCaseSensitivePreserveInts(object, want)
	got, err := podmodel.Decode(context.Background(), object)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("error %v, want %v\n%q", err, wantErr, object)
	}
	if err == nil && !reflect.DeepEqual(got.Pod, want) {
		t.Fatalf("read %+v\nwant %+v\n%q", got, want, object)
	}
	if err == nil && !got.Ambiguous && !jsontext.Value(object).IsValid() { // which by default allows no name twice
		t.Fatalf("some name is given twice: %q", object)
	}
	return err == nil
}

// Pods that somebody might send to fool one of two readers, and what decoders are
// known to see in different ways.
var oddPods = []string{
	``, ` `, `null`, ` null `, `[]`, `"a"`, `1`, `true`, `{}`, ` { } `, `{} x`, `{}{}`, `{`, "\x00", "\ufeff{}",
	`{"Metadata":{"name":"a"},"spec":{"HostNetwork":true}}`,
	`{"spec":{"hostNetwork":true,"HostNetwork":false}}`,
	`{"spec":{"hostNetwork":true,"hostNetwork":false}}`,
	`{"spec":{"hostNetwork":true},"spec":{"hostPID":true}}`,
	`{"spec":{"hostNetwork":true},"spec":null}`,
	`{"spec":{"hostN\u0065twork":true}}`, `{"sp\u0065c":{"hostNetwork":true},"spec":{}}`,
	`{"spec":{"containers":[{"name":"a","image":"i"},{"name":"b","tty":true}],"containers":[{"name":"c"}]}}`,
	`{"metadata":{"labels":{"a":"1","a":"2"},"labels":{"b":"3"}}}`, `{"metadata":{"labels":{"a":null,"b":""}}}`,
	`{"spec":{"newer":{"a":[1],"a":2}}}`, `{"spec":{"newer":"\ud83d"}}`, "{\"spec\":{\"newer\":\"\xff\"}}",
	`{"metadata":null,"spec":{"containers":null,"nodeSelector":null,"hostNetwork":null,"securityContext":null}}`,
	`{"spec":{"containers":[null,{"name":"a"}]}}`, `{"spec":{"containers":[]}}`, `{"spec":{"nodeSelector":{}}}`,
	`{"spec":{"containers":[{"resources":{"limits":{"cpu":0.5,"memory":1000,"a":"1e3","b":null,"c":" 1","d":1e3}}}]}}`,
	`{"spec":{"containers":[{"resources":{"limits":{"cpu":"much"}}}]}}`, `{"spec":{"overhead":{"cpu":{}}}}`,
	`{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":"http"}},"readinessProbe":{"tcpSocket":{"port":80}}}]}}`,
	`{"spec":{"containers":[{"livenessProbe":{"tcpSocket":{"port":8e1}}}]}}`, `{"spec":{"containers":[{"livenessProbe":{"tcpSocket":{"port":null}}}]}}`,
	`{"metadata":{"annotations":{"a":"\u00e9\ud83d\ude00\n<&>\u2028\u0000"}}}`,
	`{"metadata":{"annotations":{"a":"\ud83d","b":"\ude00\ud83d"}}}`, "{\"metadata\":{\"annotations\":{\"a\xff\":\"\xed\xa0\x80\"}}}",
	`{"metadata":{"annotations":{"\ud800":"1","\ud801":"2"}}}`, "{\"metadata\":{\"name\":\"a\tb\"}}", "{\"metadata\":{\"name\":\"a\x7fb\"}}",
	`{"spec":{"priority":99999999999}}`, `{"spec":{"priority":-2147483648}}`, `{"spec":{"priority":2147483648}}`,
	`{"spec":{"priority":1e2}}`, `{"spec":{"priority":1.0}}`, `{"spec":{"priority":-0}}`, `{"spec":{"priority":01}}`, `{"spec":{"priority":"1"}}`, `{"spec":{"priority":""}}`,
	`{"spec":{"activeDeadlineSeconds":9223372036854775807}}`, `{"spec":{"activeDeadlineSeconds":9223372036854775808}}`,
	`{"spec":[]}`, `{"spec":{"containers":{}}}`, `{"spec":{"containers":[{"name":"a"}`, `{"spec":{"containers":[{"name":"a"},]}}`, `{"spec":{"hostNetwork":"true"}}`,
	`{"metadata":{"managedFields":[{"manager":"m","fieldsV1":{"f:spec":{"k:{\"name\":\"a\"}": {}}}},{"fieldsV1":null},{"fieldsV1":[1, 1e999]}]}}`,
	`{"metadata":{"creationTimestamp":"2026-11-22T09:00:00Z","deletionTimestamp":null}}`, `{"metadata":{"creationTimestamp":"yesterday"}}`,
	`{"metadata":{"creationTimestamp":"2026-11-22T09:00:00.123456+01:00"}}`, `{"metadata":{"creationTimestamp":""}}`, `{"metadata":{"creationTimestamp":1}}`,
	`{"Kind":"Deployment","kind":"Pod","apiVersion":"v1"}`, `{"TypeMeta":{"kind":"X"},"ObjectMeta":{"name":"a"}}`,
}

func TestOddPodsAreReadAsByTheAPIServer(t *testing.T) {
	read := 0
	for _, object := range oddPods {
		if mustReadAlike(t, []byte(object)) {
			read++
		}
	}
	for _, depth := range []int{9_990, 9_995, 9_996, 9_997, 9_998, 9_999, 10_000, 10_001} {
		nested := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		mustReadAlike(t, []byte(`{"spec":{"x":`+nested+`}}`))
		mustReadAlike(t, []byte(`{"metadata":{"managedFields":[{"fieldsV1":`+nested+`}]}}`))
	}
	if read < len(oddPods)/3 || read > 3*len(oddPods)/4 {
		t.Errorf("%d of %d are pods: the list should have both", read, len(oddPods))
	}
}

func TestGeneratedPodsAreReadAsByTheAPIServer(t *testing.T) {
	read, refused, rounds := 0, 0, podgen.Rounds(600)
	for seed := range uint64(rounds) {
		g := podgen.New(seed)
		object, err := json.Marshal(podgen.Typed[corev1.Pod](g))
		if err != nil {
			t.Fatal(err)
		}
		if !mustReadAlike(t, object) {
			t.Fatalf("not read: %s", object)
		}
		if overlay, err := json.Marshal(g.Overlay()); err != nil {
			t.Fatal(err)
		} else if mustReadAlike(t, overlay) {
			read++
		}
		var tree any
		d := json.NewDecoder(bytes.NewReader(object))
		d.UseNumber()
		if err := d.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if mustReadAlike(t, spoiler{g.Rand}.write(nil, tree)) {
				read++
			} else {
				refused++
			}
		}
	}
	if read < rounds*5/6 || refused < rounds*5/6 {
		t.Errorf("%d read, %d refused: spoiled pods should be of both sorts", read, refused)
	}
}

// spoiler writes JSON with a few things in it that decoders may see in different
// ways.
type spoiler struct{ *rand.Rand }

func (s spoiler) one(of ...string) string { return of[s.IntN(len(of))] }

func (s spoiler) write(b []byte, v any) []byte {
	if s.IntN(250) == 0 {
		return append(b, s.one(`null`, `{}`, `[]`, `""`, `0`, `1.0`, `1e2`, `-1`, `99999999999999999999`, `true`, `"\ud83d"`, "\"\xff\"", `1 `, `nul`, `"`, `{"a":1,"a":{}}`)...)
	}
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			for again := true; again; again = s.IntN(300) == 0 {
				b = append(append(s.write(append(s.name(b, name), ':'), v[name]), ','), s.one("", " ", "\n")...)
			}
		}
		return append(bytes.TrimRight(b, ", \n"), '}')
	case []any:
		b = append(b, '[')
		for _, item := range v {
			b = append(s.write(b, item), ',')
		}
		return append(bytes.TrimRight(b, ","), ']')
	}
	text, _ := json.Marshal(v)
	return append(b, text...)
}

func (s spoiler) name(b []byte, name string) []byte {
	switch s.IntN(300) {
	case 0:
		name = strings.ToUpper(name[:min(1, len(name))]) + name[min(1, len(name)):]
	case 1:
		name = strings.ToLower(name)
	case 2:
		if name != "" && name[0] < 0x80 { // the same name, written in another way
			text, _ := json.Marshal(name[1:])
			return fmt.Appendf(b, `"\u%04x%s`, name[0], text[1:])
		}
	}
	text, _ := json.Marshal(name)
	return append(b, text...)
}

func FuzzDecode(f *testing.F) {
	for _, object := range oddPods {
		f.Add([]byte(object))
	}
	f.Fuzz(func(t *testing.T, object []byte) { mustReadAlike(t, object) })
}

// A plain pod must not end up with the slower decoder, nor be decoded twice.
func TestPlainPodsAreReadOnce(t *testing.T) {
	object, err := json.Marshal(podgen.Typed[corev1.Pod](podgen.New(1)))
	if err != nil {
		t.Fatal(err)
	}
	ours := testing.AllocsPerRun(20, func() { _, err = podmodel.Decode(context.Background(), object) })
	theirs := testing.AllocsPerRun(20, func() { err = kjson.UnmarshalCaseSensitivePreserveInts(object, new(corev1.Pod)) })
	if err != nil || ours > 0.8*theirs {
		t.Errorf("%v allocations, the API server's decoder %v; error %v", ours, theirs, err)
	}
}
