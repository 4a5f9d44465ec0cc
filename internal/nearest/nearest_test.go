package nearest

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	known := []string{"image", "imagePullPolicy", "env", "envFrom", "name", "securityContext"}
	for name, want := range map[string]string{
		"imagee": "image", "Image": "image", "iamge": "image", "mage": "image", "imagePulPolicy": "imagePullPolicy",
		"securitycontext": "securityContext", "nam": "name", "evn": "env", "envs": "env",
		"": "", "x": "", "picture": "", "imagePolicy": "", strings.Repeat("n", 1000): "",
	} {
		if got := Of(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	// The nearest one, wherever it stands.
	if got := Of("ports", []string{"sports", "ports", "port"}); got != "ports" {
		t.Errorf("got %q", got)
	}
	if got := Of("a", []string{"b", "ab"}); got != "" {
		t.Errorf("every letter of a name changed: %q", got)
	}
}
