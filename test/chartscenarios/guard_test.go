//go:build e2e

package chartscenarios

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// template writes a template that is given with Helm's --set-file.
func (s *scenario) template(text string) []string {
	s.Helper()
	path := filepath.Join(s.TempDir(), "sidecar.yaml")
	s.must(os.WriteFile(path, []byte(text), 0o600))
	return []string{"--set-file", "templates.sidecar=" + path}
}

// demo is the text of the demo's second template.
func (s *scenario) demo() string {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(cluster.Root, "scripts", "demo", "sidecar-2.yaml"))
	s.must(err)
	return string(text)
}

// upgradeBadRefused has the API server ask before it stores the configuration: helm
// says why it is refused, and pods get what they got before. Without the guard, the
// same is stored, and no server serves it.
func upgradeBadRefused(s *scenario) {
	s.install(s.greeting("one")...)
	bad := s.template("spec:\n  containers:\n  - name: {{ noSuchFunction }}\n")
	s.underLoad(injected, func() {
		err := s.tryUpgrade(bad...)
		if err == nil || !strings.Contains(err.Error(), "denied the request") || !strings.Contains(err.Error(), "noSuchFunction") {
			s.Errorf("helm does not say why: %v", err)
		}
		s.inForce("one")
		s.must(cluster.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(s.ctx, s.release, metav1.DeleteOptions{}))
		s.must(s.tryUpgrade(bad...))
		s.inForce("one")
		s.upgrade(s.greeting("two")...)
		s.inForce("two")
	})
	if s.trust().guard == nil {
		s.Error("helm upgrade did not make the guard anew")
	}
}

// upgradeNextVersion upgrades to a template that the servers of the release before
// cannot render: Helm writes it while only they are there to be asked. They are told
// that they are of another image, as the servers of another version are.
func upgradeNextVersion(s *scenario) {
	const policy = "global.compliancePolicy=of-the-next-version"
	needsNext := `{{- if ne .CompliancePolicy "of-the-next-version" }}{{ fail "only the next version can render this" }}{{ end }}` + "\n" + s.demo()
	s.install(s.greeting("one")...)
	if err := s.tryUpgrade(append(s.template(needsNext), "--set", policy)...); err == nil || !strings.Contains(err.Error(), "only the next version can render this") {
		s.Errorf("servers of the same image let in what they cannot render: %v", err)
	}
	s.upgrade(append(s.greeting("one"), "--set", "extraArgs={--injectorImage=example.com/of-the-version-before}")...)
	s.must(cluster.RolledOut(s.ctx, s.namespace, s.release))
	s.underLoad(injected, func() {
		s.upgrade(append(s.template(needsNext), "--set", policy)...)
		s.inForce("two")
		s.must(cluster.RolledOut(s.ctx, s.namespace, s.release))
	})
	// From now on the new servers judge what is stamped for them, as soon as the API
	// server has let go of its connections to the old ones.
	patch, err := json.Marshal(map[string]any{"data": map[string]string{"config": "policy: perhaps"}})
	s.must(err)
	s.must(wait.PollUntilContextTimeout(s.ctx, 500*time.Millisecond, stepLimit, true, func(ctx context.Context) (bool, error) {
		_, err := cluster.Client.CoreV1().ConfigMaps(s.namespace).Patch(ctx, s.release, types.MergePatchType, patch, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		return apierrors.IsInvalid(err) && strings.Contains(err.Error(), "policy"), nil
	}))
}
