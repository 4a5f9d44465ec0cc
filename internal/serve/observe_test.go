package serve

import (
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
)

func TestOwner(t *testing.T) {
	for _, tt := range []struct{ kind, name, want string }{
		{"Deployment", "web", "Deployment/web"},
		{"Pod", "", "Pod"}, // metadata.generateName
		{"", "", ""},
	} {
		ev := admission.Event{}
		ev.OwnerKind, ev.OwnerName = tt.kind, tt.name
		if got := owner(ev); got != tt.want {
			t.Errorf("owner %q, want %q", got, tt.want)
		}
	}
}
