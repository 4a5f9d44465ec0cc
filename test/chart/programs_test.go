package chart

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	bootstrap "github.com/sidecar-injector/istio-sidecar-injector/cmd/cert-bootstrap/app"
	injector "github.com/sidecar-injector/istio-sidecar-injector/cmd/sidecar-injector/app"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
)

// run runs one of the programs, as the image has them.
func run(t testing.TB, command string, args ...string) (status int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	switch command {
	case "/usr/local/bin/sidecar-injector":
		status = injector.Run(ctx, "test", args, nil, strings.NewReader(""), &out, &out)
	case "/usr/local/bin/cert-bootstrap":
		status = bootstrap.Run(ctx, args, nil, strings.NewReader(""), &out, &out)
	default:
		t.Fatalf("%s is not in the image", command)
	}
	return status, out.String()
}

// Every container calls a program that the image has, with flags that it knows
// and values that it takes. The programs run and fail later, for want of a
// cluster: exit status 2 would be a command line they do not understand.
func TestProgramsUnderstandTheirArguments(t *testing.T) {
	// In a pod there are variables that say where the API server is; here there is
	// no API server, and none must be found.
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	done := map[string]bool{}
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		for _, p := range podsOf(t, objects) {
			for _, c := range append(p.spec.InitContainers, p.spec.Containers...) {
				line := append(slices.Clone(c.Command), c.Args...)
				for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
					if probe != nil && probe.Exec != nil {
						understood(t, done, probe.Exec.Command)
					}
				}
				understood(t, done, line)
			}
		}
	})
	if len(done) < 5 {
		t.Errorf("only %d different command lines", len(done))
	}
}

func understood(t *testing.T, done map[string]bool, line []string) {
	t.Helper()
	text := strings.Join(line, " ")
	if done[text] {
		return
	}
	done[text] = true
	status, output := run(t, line[0], line[1:]...)
	if status != 1 {
		t.Errorf("exit status %d, want 1 for want of a cluster and of files\n%s\n%s", status, text, output)
	}
}

var metricName = regexp.MustCompile(`\bsidecar_inject(or|ion)_[a-z_]+`)

// Alerts and panels must ask for metrics that there are.
func TestMetricsOfAlertsAndDashboardExist(t *testing.T) {
	m := metrics.New(metrics.Build{}, time.Now)
	m.Readiness(func(context.Context) map[string]bool { return map[string]bool{"tls": true} })
	m.CABundles(func() map[string]bool { return map[string]bool{"injector": true} })
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	m.CertificateExpiry("leaf", time.Now())
	known := map[string]bool{}
	for _, f := range families {
		known[f.GetName()] = true
	}
	// These have no series before the first configuration and certificate.
	for _, later := range []string{"sidecar_injector_config_info", "sidecar_injector_last_reload_successful", "sidecar_injector_reloads_total", "sidecar_injector_certificate_expiry_seconds", "sidecar_injection_decisions_total"} {
		known[later] = true
	}
	objects := install{set: []string{"metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true"}}.render(t)
	dashboard := one(t, objects, "ConfigMap", "istio-sidecar-injector-dashboard")
	for _, o := range []*object{one(t, objects, "PrometheusRule", ""), dashboard} {
		names := metricName.FindAllString(string(o.text), -1)
		if len(names) < 5 {
			t.Errorf("%s: %d metrics", o.id(), len(names))
		}
		for _, name := range names {
			if !known[name] && !known[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s: no metric %s", o.id(), name)
			}
		}
	}
}

func TestImages(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	version := loadChart(t).AppVersion()
	for _, c := range []struct {
		set  []string
		want string
	}{
		{nil, "ghcr.io/sidecar-injector/sidecar_injector:" + version},
		{[]string{"global.hub=example.com/team", "global.tag=v1"}, "ghcr.io/sidecar-injector/sidecar_injector:" + version},
		{[]string{"global.hub=example.com/team", "image.hub=example.com/other", "image.tag=v2"}, "example.com/other/sidecar_injector:v2"},
		{[]string{"global.hub=docker.io/istio", "global.tag=1.1.17"}, "ghcr.io/sidecar-injector/sidecar_injector:" + version},
		{[]string{"global.hub=gcr.io/istio-release", "global.tag=1.1.17", "image.tag=v1"}, "ghcr.io/sidecar-injector/sidecar_injector:v1"},
		{[]string{"image=injector"}, "ghcr.io/sidecar-injector/injector:" + version},
		{[]string{"image.name=example.com/a/b"}, "example.com/a/b:" + version},
		{[]string{"image.tag=v1", "image.digest=" + digest}, "ghcr.io/sidecar-injector/sidecar_injector@" + digest},
		{[]string{"global.imageRegistry=mirror.local:5000/cache"}, "mirror.local:5000/cache/sidecar-injector/sidecar_injector:" + version},
		{[]string{"global.imageRegistry=mirror.local", "image.hub=team/x"}, "mirror.local/team/x/sidecar_injector:" + version},
		{[]string{"global.imageRegistry=mirror.local", "image.hub=localhost:5000/x"}, "mirror.local/x/sidecar_injector:" + version},
	} {
		for _, p := range podsOf(t, install{set: append(c.set, "certs.bootstrap=job", "validate.enabled=true")}.render(t)) {
			for _, container := range append(p.spec.InitContainers, p.spec.Containers...) {
				if container.Image != c.want {
					t.Errorf("%v: %s: image %s, want %s", c.set, p.owner.id(), container.Image, c.want)
				}
			}
		}
	}
}

func TestPullSecretsAndPolicy(t *testing.T) {
	in := install{set: []string{
		"global.imagePullSecrets={a,b}", "imagePullSecrets[0]=b", "imagePullSecrets[1].name=c", "image.pullPolicy=Always", "global.imagePullPolicy=Never",
		"certs.bootstrap=job", "validate.enabled=true",
	}}
	for _, p := range podsOf(t, in.render(t)) {
		var names []string
		for _, s := range p.spec.ImagePullSecrets {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != "a b c" {
			t.Errorf("%s: pull secrets %q, want a b c", p.owner.id(), got)
		}
		if got := p.spec.Containers[0].ImagePullPolicy; got != corev1.PullAlways {
			t.Errorf("%s: pull policy %q, want Always", p.owner.id(), got)
		}
	}
}

// Which source of certificates and configuration makes which flags.
func TestServerFlags(t *testing.T) {
	const api = "istio-system/istio-sidecar-injector"
	for _, c := range []struct {
		set  []string
		want map[string]string // an empty value: the flag is not there
	}{
		{nil, map[string]string{
			"injectConfigMap": api, "meshConfigMap": "istio-system/istio", "reconcileWebhookConfig": "true", "rotateCertificates": "true",
			"certSecret": "istio-system/" + secretName, "revision": "default", "nativeSidecars": "auto", "platform": "", "healthCheckFile": "",
			"clientCAFile": "", "clientNames": "",
		}},
		{[]string{"configSource=files"}, map[string]string{"injectConfigMap": "", "meshConfigMap": ""}},
		{[]string{"certs.bootstrap=job"}, map[string]string{"rotateCertificates": "false", "certSecret": "istio-system/" + secretName}},
		{[]string{"certs.mode=certManager"}, map[string]string{"certSecret": "", "reconcileWebhookConfig": "false"}},
		{[]string{"certs.mode=existingSecret", "certs.existingSecret.name=x"}, map[string]string{"certSecret": "", "reconcileWebhookConfig": "true"}},
		{[]string{"webhook.reconcile=false"}, map[string]string{"reconcileWebhookConfig": "false"}},
		{[]string{"revision=canary"}, map[string]string{
			"revision": "canary", "injectConfigMap": api + "-canary", "meshConfigMap": "istio-system/istio-canary", "webhookConfigName": "istio-sidecar-injector-canary",
		}},
		{[]string{"nativeSidecars=on", "global.platform=openshift", "templateEnv={A,B}"}, map[string]string{"nativeSidecars": "on", "platform": "openshift", "templateEnv": "A,B"}},
		{[]string{"probes.type=exec"}, map[string]string{"healthCheckFile": "/run/sidecar-injector/health", "healthCheckInterval": "2s"}},
		{[]string{"clientAuth.ca.configMapName=x", "clientAuth.names={a,b.example.com}"}, map[string]string{"clientCAFile": "/etc/istio/client-ca/ca.crt", "clientNames": "a,b.example.com"}},
		{[]string{"meshConfig.name=mine", "injectConfig.name=own"}, map[string]string{"meshConfigMap": "istio-system/mine", "injectConfigMap": "istio-system/own"}},
	} {
		d := into[appsv1.Deployment](t, one(t, install{set: c.set}.render(t), "Deployment", ""))
		got := flagsOf(t, d.Spec.Template.Spec.Containers[0])
		for name, want := range c.want {
			if got[name] != want {
				t.Errorf("%v: --%s=%s, want %q", c.set, name, got[name], want)
			}
		}
	}
}

// The init container: makes certificates, waits for the Job's, or is not there.
func TestCertificateModes(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string // mode of the init container
		cert string // where /etc/istio/certs comes from
	}{
		{nil, "bootstrap", "memory"},
		{[]string{"certs.bootstrap=job"}, "wait", "memory"},
		{[]string{"certs.mode=certManager"}, "", secretName},
		{[]string{"certs.mode=existingSecret", "certs.existingSecret.name=x"}, "", "x"},
	} {
		objects := install{set: c.set}.render(t)
		spec := into[appsv1.Deployment](t, one(t, objects, "Deployment", "")).Spec.Template.Spec
		mode, cert := "", ""
		for _, i := range spec.InitContainers {
			mode = flagsOf(t, i)["mode"]
		}
		for _, v := range spec.Volumes {
			if v.Name == "certs" && v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory {
				cert = "memory"
			}
			if v.Name == "certs" && v.Secret != nil {
				cert = v.Secret.SecretName
				if len(v.Secret.Items) != 3 {
					t.Errorf("%v: files %v, want three", c.set, v.Secret.Items)
				}
			}
		}
		if mode != c.want || cert != c.cert {
			t.Errorf("%v: init container %q, certificates from %q; want %q, %q", c.set, mode, cert, c.want, c.cert)
		}
	}
}
