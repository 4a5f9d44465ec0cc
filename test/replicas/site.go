//go:build integration

// Package replicas runs the injector's programs as a cluster would, the init
// binary and then the server, as processes of their own with the rights of the
// chart's roles and no more, behind a Service of a real API server.
package replicas

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// The names in the cluster; those of the chart's defaults.
const (
	Namespace   = "istio-system"
	Service     = "istio-sidecar-injector"
	Secret      = "istio.istio-sidecar-injector-service-account"
	Webhook     = "sidecar-injector.istio.io"
	Config      = "istio-sidecar-injector"
	PodLabel    = "lab.example.com/load"
	loadSpace   = "load"
	account     = "injector"
	jobAccount  = "injector-certs"
	patience    = time.Minute
	sidecarName = "sidecar"
)

// Site is an installation without its replicas.
type Site struct {
	Lab *lab.Lab
	// Host is the address at which the API server reaches this machine.
	Host string
	// Flags are given to both programs: validities and the like.
	Flags []string
	// ServerFlags are given to the servers alone; those that start from now on.
	ServerFlags []string

	dir        string
	kubeconfig string
	// byJob: a job of its own writes the Secret, and the servers only read it.
	byJob         bool
	jobKubeconfig string
}

// Install builds the programs and makes the objects that the chart would make. In
// dir go programs and files.
func Install(ctx context.Context, l *lab.Lab, host, dir string, flags ...string) (*Site, error) {
	s := &Site{Lab: l, Host: host, Flags: flags, dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig")}
	return s, s.install(ctx)
}

// InstallWithJob is Install as with the chart's certs.bootstrap=job: the servers
// only read the Secret, and whoever calls RunJob, as a CronJob does, renews it.
func InstallWithJob(ctx context.Context, l *lab.Lab, host, dir string, flags ...string) (*Site, error) {
	s := &Site{
		Lab: l, Host: host, Flags: flags, dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig"),
		byJob: true, jobKubeconfig: filepath.Join(dir, "kubeconfig-job"),
	}
	return s, s.install(ctx)
}

func (s *Site) install(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", s.dir+string(filepath.Separator), "./cmd/sidecar-injector", "./cmd/cert-bootstrap")
	build.Dir = s.Lab.Root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	for _, step := range []func(context.Context) error{s.objects, s.roles, s.CreateSecret, s.CreateWebhook, s.CreateGuard, s.loadReady} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return s.files()
}

func (s *Site) objects(ctx context.Context) error {
	if err := s.Lab.Namespace(ctx, Namespace, nil); err != nil {
		return err
	}
	if err := s.Lab.Namespace(ctx, loadSpace, map[string]string{"istio-injection": "enabled"}); err != nil {
		return err
	}
	_, err := s.Lab.Client.CoreV1().Services(Namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: Service},
		// No selector: the endpoints are processes of this machine.
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 443}}},
	}, metav1.CreateOptions{})
	return err
}

// CreateSecret makes the Secret as the chart does: without data.
func (s *Site) CreateSecret(ctx context.Context) error {
	_, err := s.Lab.Client.CoreV1().Secrets(Namespace).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: Secret}}, metav1.CreateOptions{})
	return err
}

// CreateWebhook makes the webhook configuration as the chart does: without
// caBundle, and refusing pods when the webhook fails.
func (s *Site) CreateWebhook(ctx context.Context) error {
	_, err := s.Lab.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(ctx, &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: Config},
		Webhooks: []admissionv1.MutatingWebhook{{
			Name: Webhook, AdmissionReviewVersions: []string{"v1"},
			SideEffects: ptr.To(admissionv1.SideEffectClassNone), FailurePolicy: ptr.To(admissionv1.Fail), TimeoutSeconds: ptr.To[int32](30),
			ClientConfig:      admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: Namespace, Name: Service, Path: ptr.To("/inject")}},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"istio-injection": "enabled"}},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	}, metav1.CreateOptions{})
	return err
}

// CreateGuard makes the webhook configuration that asks about the injector's own
// ConfigMaps as the chart does: without caBundle, and letting in when it fails. It has
// the other one's name.
func (s *Site) CreateGuard(ctx context.Context) error {
	_, err := s.Lab.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(ctx, &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: Config},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: webhookcfg.GuardWebhook, AdmissionReviewVersions: []string{"v1"},
			SideEffects: ptr.To(admissionv1.SideEffectClassNone), FailurePolicy: ptr.To(admissionv1.Ignore), TimeoutSeconds: ptr.To[int32](15),
			ClientConfig:      admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: Namespace, Name: Service, Path: ptr.To("/validate/configuration")}},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": Namespace}},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
		}},
	}, metav1.CreateOptions{})
	return err
}

// loadReady waits until pods can be made: each needs its namespace's account.
func (s *Site) loadReady(ctx context.Context) error {
	return until(ctx, "service account of namespace "+loadSpace, func() error {
		_, err := s.Lab.Client.CoreV1().ServiceAccounts(loadSpace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

const injectConfig = `policy: enabled
defaultTemplates: [sidecar]
templates:
  sidecar: |
    spec:
      containers:
      - name: ` + sidecarName + `
        image: lab.example.com/sidecar:1
`

// files writes the configuration, and kubeconfigs that act as the service
// accounts.
func (s *Site) files() error {
	if err := s.actAs(account, s.kubeconfig); err != nil {
		return err
	}
	if s.byJob {
		if err := s.actAs(jobAccount, s.jobKubeconfig); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"config": injectConfig, "values": "{}", "mesh": "{}"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Pod is the nth pod of a client of the load. No scheduler looks at it: what is
// tried is admission.
func Pod(client, n int) *corev1.Pod {
	pod := lab.UnschedulablePod(loadSpace, fmt.Sprintf("pod-%d-%d", client, n), map[string]string{PodLabel: "yes"})
	pod.Spec.SchedulerName = "none"
	return pod
}

// Injected is an error for a pod without the sidecar.
func Injected(pod *corev1.Pod) error {
	for _, c := range pod.Spec.Containers {
		if c.Name == sidecarName {
			return nil
		}
	}
	return fmt.Errorf("pod %s has no sidecar", pod.Name)
}

// until waits for a condition and returns its last error after a minute.
func until(ctx context.Context, what string, is func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := is()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Tail is the end of a log.
func Tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
