package inject

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPossibleOriginals(t *testing.T) {
	for value, want := range map[string][]string{
		"a":                         nil,
		"a, b":                      {"a"},
		"4,5,15020":                 {"4,5"},
		`[{"name": "a"}, {"n": 1}]`: {`[{"name": "a"}]`},
		`[{"name": "a"}]`:           nil,
	} {
		got := possibleOriginals(value)
		if got[0] != nil || len(got) != len(want)+1 || len(want) > 0 && *got[1] != want[0] {
			t.Errorf("%s: %v", value, got)
		}
	}
}

func TestRemoveTemplateFields(t *testing.T) {
	yes := true
	spec := &corev1.PodSpec{ServiceAccountName: "a", ShareProcessNamespace: &yes, DNSConfig: &corev1.PodDNSConfig{Searches: []string{"own"}}, Volumes: []corev1.Volume{{Name: "v"}}}
	removeTemplateFields(spec, &corev1.PodSpec{ShareProcessNamespace: &yes, DNSConfig: &corev1.PodDNSConfig{Searches: []string{"x"}}, Volumes: []corev1.Volume{{Name: "v"}}})
	if spec.ShareProcessNamespace != nil || spec.DNSConfig == nil || spec.ServiceAccountName != "a" || len(spec.Volumes) != 1 {
		t.Errorf("left %+v", spec)
	}
}
