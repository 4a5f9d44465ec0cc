package chart

import (
	"strings"
	"testing"
)

func notes(t testing.TB, in install) string {
	t.Helper()
	texts, err := in.texts(t)
	if err != nil {
		t.Fatal(err)
	}
	return texts["istio-sidecar-injector/templates/NOTES.txt"]
}

func TestNotes(t *testing.T) {
	golden(t, "notes.txt", notes(t, install{}))
	for _, c := range []struct {
		name string
		set  []string
		want []string
		not  string
	}{
		{"default", nil, []string{"istio-injection=enabled", "helm test istio-sidecar-injector --namespace istio-system", secretName}, "Look at this again"},
		{"revision", []string{"revision=canary"}, []string{"as revision canary", "istio.io/rev=canary istio-injection-", "--revision canary"}, "Look at this again"},
		{"by default", []string{"enableNamespacesByDefault=true"}, []string{"istio-injection=disabled"}, "istio-injection=enabled"},
		{"one replica", []string{"replicaCount=1"}, []string{"One replica with webhook.failurePolicy Fail"}, "deprecated"},
		{"one replica that does not block", []string{"replicaCount=1", "webhook.failurePolicy=Ignore"}, []string{"runs without sidecar"}, "One replica"},
		{"autoscaler's least", []string{"autoscaling.enabled=true", "autoscaling.minReplicas=1"}, []string{"One replica"}, "deprecated"},
		{"classic image", []string{"image=sidecar_injector"}, []string{"image as a bare name is deprecated"}, "One replica"},
		{"classic policy", []string{"global.proxy.autoInject=disabled"}, []string{"autoInject is deprecated", "policy disabled"}, "One replica"},
		{"classic affinity", []string{"podAntiAffinityLabelSelector[0].key=a", "podAntiAffinityLabelSelector[0].operator=Exists"}, []string{"podAntiAffinityLabelSelector"}, "One replica"},
		{"cert-manager", []string{"certs.mode=certManager"}, []string{"by cert-manager"}, "Look at this again"},
		{"job", []string{"certs.bootstrap=job"}, []string{"the CronJob istio-sidecar-injector-certs"}, "Look at this again"},
		{"caBundle left alone", []string{"webhook.reconcile=false"}, []string{"put the CA into the webhook configuration yourself"}, "deprecated"},
		{"the proxy's image", []string{"global.hub=example.com/mesh"}, []string{"The injector runs ghcr.io/sidecar-injector/sidecar_injector:"}, "deprecated"},
		{"files", []string{"configSource=files"}, []string{"a minute or two"}, "within seconds"},
		{"own selector", []string{"webhook.namespaceSelector.matchLabels.a=b"}, []string{"webhook.namespaceSelector selects"}, "kubectl label"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := notes(t, install{set: c.set})
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if strings.Contains(text, c.not) {
				t.Errorf("%q in\n%s", c.not, text)
			}
		})
	}
}
