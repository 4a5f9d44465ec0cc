package app

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
)

// TestStatusShowsTheRecord reads records as servers write them, and as nobody does.
func TestStatusShowsTheRecord(t *testing.T) {
	var empty bytes.Buffer
	if err := gzip.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	record := func(change func(*corev1.ConfigMap)) *corev1.ConfigMap {
		cm := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "record"},
			Data:       map[string]string{"digest": lastgood.Documents{}.Digest(), "hash": "abc", "since": "2030-01-02T03:04:05Z", "version": "v1"},
			BinaryData: map[string][]byte{"config.gz": empty.Bytes(), "values.gz": empty.Bytes(), "mesh.gz": empty.Bytes()},
		}
		change(cm)
		return cm
	}
	for name, tc := range map[string]struct {
		cm            *corev1.ConfigMap
		problem, line string
	}{
		"refused, with errors that are told": {
			record(func(cm *corev1.ConfigMap) {
				cm.Data["refusedReason"], cm.Data["refusedSince"], cm.Data["refusedDigest"] = "ns/cm:config:1:9: policy: invalid", "2030-02-02T00:00:00Z", "told"
			}),
			"serving the last good configuration of 2030-01-02T03:04:05Z, because the current one is refused since 2030-02-02T00:00:00Z, see below",
			"problem        serving",
		},
		"in force": {record(func(*corev1.ConfigMap) {}), "", "last good      abc, accepted by v1, in force since 2030-01-02T03:04:05Z"},
		"refused": {
			record(func(cm *corev1.ConfigMap) {
				cm.Data["refusedReason"], cm.Data["refusedSince"] = "ns/cm:config:1:9: policy: invalid", "2030-02-02T00:00:00Z"
			}),
			"serving the last good configuration of 2030-01-02T03:04:05Z, because the current one is refused since 2030-02-02T00:00:00Z: ns/cm:config:1:9: policy: invalid",
			"last good      abc, accepted by v1",
		},
		"empty":   {record(func(cm *corev1.ConfigMap) { cm.Data, cm.BinaryData = nil, nil }), "configmap ns/record: nothing is recorded yet", ""},
		"damaged": {record(func(cm *corev1.ConfigMap) { cm.Data["digest"] = "x" }), "configmap ns/record: key digest is not that of the documents", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := &health{Injector: "ns/injector", Config: "def"}
			h.readLastGood(tc.cm, "told")
			problems := strings.Join(h.Problems, " ")
			if !strings.Contains(problems, tc.problem) || tc.problem == "" && problems != "" {
				t.Errorf("problems %q", problems)
			}
			var out bytes.Buffer
			if err := h.print(&out); err != nil || !strings.Contains(out.String(), tc.line) {
				t.Errorf("printed %v\n%s", err, &out)
			}
		})
	}
}
