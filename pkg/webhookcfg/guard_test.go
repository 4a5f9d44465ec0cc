package webhookcfg

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientadmissionv1 "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	clienttesting "k8s.io/client-go/testing"
)

type guardListless struct {
	clientadmissionv1.ValidatingWebhookConfigurationInterface
}

func (guardListless) IsWatchListSemanticsUnSupported() bool { return true }

// guarding makes the rig keep the caBundle of a ValidatingWebhookConfiguration, too.
func (r *rig) guarding(t *testing.T) {
	t.Helper()
	o := r.o
	o.GuardConfigs = []string{"guard"}
	o.GuardClient = guardListless{r.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()}
	var err error
	if r.Reconciler, err = New(o); err != nil {
		t.Fatal(err)
	}
}

func guardConfig(bundle []byte) *admissionv1.ValidatingWebhookConfiguration {
	of := func(b []byte) admissionv1.WebhookClientConfig { return admissionv1.WebhookClientConfig{CABundle: b} }
	return &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "guard", UID: "u-2", ResourceVersion: "1"},
		Webhooks:   []admissionv1.ValidatingWebhook{{Name: "other.example.com", ClientConfig: of([]byte("theirs"))}, {Name: GuardWebhook, ClientConfig: of(bundle)}},
	}
}

func (r *rig) guardBundles(t *testing.T) (theirs, ours []byte) {
	t.Helper()
	c, err := r.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), "guard", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Webhooks[0].ClientConfig.CABundle, c.Webhooks[1].ClientConfig.CABundle
}

func TestGuardsCABundleIsKept(t *testing.T) {
	r := newRig(t, config("1", nil, nil), guardConfig(nil))
	r.guarding(t)
	r.start(t)
	r.Want([]*x509.Certificate{r.ca})
	right := func() bool {
		theirs, ours := r.guardBundles(t)
		return bytes.Equal(r.bundle(t), text(r.ca)) && bytes.Equal(ours, text(r.ca)) && string(theirs) == "theirs"
	}
	eventually(t, "both are set, and the entry of others is left alone", right)
	api := r.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	for what, patch := range map[string]string{
		"emptied": `[{"op":"remove","path":"/webhooks/1/clientConfig/caBundle"}]`,
		"rubbish": `[{"op":"replace","path":"/webhooks/1/clientConfig/caBundle","value":"Cg=="}]`,
	} {
		if _, err := api.Patch(t.Context(), "guard", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, what+": healed", right)
	}
	if err := api.Delete(t.Context(), "guard", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deletion said", func() bool {
		return r.log.count("validating webhook configuration guard was deleted: changes of the injector's configuration are stored without a look at them") == 1
	})
	if got := r.Troubles(); len(got) != 1 || got[0] != "guard-webhook-deleted guard" {
		t.Errorf("troubles %q", got)
	}
}

// Certificates wait for what Live, Since and Explain say, and the start for Sync:
// none of them may depend on the guard's configuration.
func TestNothingWaitsForTheGuard(t *testing.T) {
	forbid := func(r *rig) {
		r.client.PrependReactor("*", "validatingwebhookconfigurations", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "validatingwebhookconfigurations"}, "guard", errors.New("no rule"))
		})
	}
	for name, tt := range map[string]struct {
		guard  runtime.Object
		change func(*rig)
		warns  bool
	}{
		"it does not exist":   {nil, func(*rig) {}, false},
		"no right to read it": {guardConfig(nil), forbid, true},
		"no entry of ours":    {&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "guard"}}, func(*rig) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []runtime.Object{config("1", nil, nil)}
			if tt.guard != nil {
				objects = append(objects, tt.guard)
			}
			r := newRig(t, objects...)
			r.guarding(t)
			tt.change(r)
			r.Want([]*x509.Certificate{r.ca})
			if err := r.Sync(t.Context()); err != nil {
				t.Errorf("the start waits for the guard: %v", err)
			}
			if got := r.log.count("caBundle not set") == 1; got != tt.warns {
				t.Errorf("said that the caBundle is not set: %v", got)
			}
			r.start(t)
			cas, known := r.Live()
			if len(cas) != 1 || !known || r.Since(r.ca).IsZero() {
				t.Errorf("live: %d CAs, known %v, since %v", len(cas), known, r.Since(r.ca))
			}
			if err := r.Explain(); err != nil {
				t.Error(err)
			}
			if fits := r.Fits(func(roots []*x509.Certificate) bool { return len(roots) == 1 }); len(fits) != 1 || !fits["injector"] {
				t.Errorf("fits %v", fits)
			}
			if tt.warns {
				eventually(t, "the missing right is a trouble of the guard's", func() bool { return strings.Join(r.Troubles(), " ") == "guard-webhook-watch" })
			}
		})
	}
}
