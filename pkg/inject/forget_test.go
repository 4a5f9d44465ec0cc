package inject

import (
	"context"
	"reflect"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

func TestPossibleOriginals(t *testing.T) {
	for value, want := range map[string][]string{
		"a":                         nil,
		"a, b":                      {"a"},
		"4,5,15020":                 {"4,5"},
		`[{"name": "a"}, {"n": 1}]`: {`[{"name": "a"}]`},
		`[{"name": "a"}]`:           nil,
		",b":                        {""},
		"],a":                       nil,
		", {]":                      {"]"},
	} {
		got := possibleOriginals(value)
		if got[0] != nil || len(got) != len(want)+1 || len(want) > 0 && *got[1] != want[0] {
			t.Errorf("%s: %v", value, got)
		}
	}
}

func TestRemoveTemplateFields(t *testing.T) {
	decode := func(text string) *podmodel.Pod {
		pod, err := podmodel.Decode(context.Background(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return pod
	}
	pod := decode(`{"newTop":1,"spec":{"serviceAccountName":"a","shareProcessNamespace":true,"dnsConfig":{"searches":["own"],"new":1},
		"volumes":[{"name":"v","new":1}],"newSame":{"a": 1},"newOther":1}}`)
	template := decode(`{"newTop":1,"spec":{"shareProcessNamespace":true,"dnsConfig":{"searches":["x"],"new":1},
		"volumes":[{"name":"v","new":1}],"newSame":{"a":1},"newOther":2}}`)
	removeTemplateFields(pod, template)
	want := decode(`{"spec":{"serviceAccountName":"a","dnsConfig":{"searches":["own"]},"volumes":[{"name":"v","new":1}],"newOther":1}}`)
	if !reflect.DeepEqual(pod.Pod, want.Pod) || !podmodel.Equal(pod.Unknown, want.Unknown) {
		t.Errorf("left %+v, unknown %v", pod.Spec, pod.Unknown.Paths())
	}
}
