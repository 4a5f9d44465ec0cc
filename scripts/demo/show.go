package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

const (
	release   = "istio-sidecar-injector"
	namespace = "istio-system"
	apps      = "sidecar-demo"
)

type demo struct {
	options
	lab *lab.Lab
	out io.Writer
	now func() time.Time
}

// show runs the steps in order and prints each with the command a user would
// type, what came of it, and how long it took.
func (d *demo) show(ctx context.Context) error {
	fmt.Fprintln(d.out)
	steps := []struct {
		name, command string
		do            func(context.Context) (string, error)
	}{
		{"clean", "", d.clean},
		{"install", d.helmCommand("install", "sidecar-1.yaml"), d.install},
		{"label", "kubectl label namespace " + apps + " istio-injection=enabled", d.label},
		{"workload", "kubectl -n " + apps + " create deployment hello ...", d.workload},
		{"request", "GET / through the sidecar's port", d.request("one")},
		{"upgrade", d.helmCommand("upgrade", "sidecar-2.yaml"), d.upgrade},
		{"new pod", "kubectl -n " + apps + " rollout restart deployment hello", d.newPod},
		{"request", "GET / through the sidecar's port", d.request("two")},
	}
	for _, s := range steps {
		start := d.now()
		bounded, cancel := context.WithTimeout(ctx, stepTimeout)
		result, err := s.do(bounded)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if result == "" {
			continue
		}
		if s.command != "" {
			fmt.Fprintf(d.out, "%-9s $ %s\n", s.name, s.command)
			s.name = ""
		}
		fmt.Fprintf(d.out, "%-9s %-76s %5.1f s\n", s.name, result, d.now().Sub(start).Seconds())
	}
	d.tryNext()
	return nil
}

func (d *demo) helmArgs(verb, template string) []string {
	return []string{
		verb, release, "charts/" + release, "--namespace", namespace, "--create-namespace", "--wait",
		"--set", "image.hub=" + d.hub, "--set", "image.tag=" + d.tag, "--set", "templateValues.image=" + d.image(),
		"--set-file", "templates.sidecar=scripts/demo/" + template,
	}
}

func (d *demo) helmCommand(verb, template string) string {
	words := d.helmArgs(verb, template)
	const next = " \\\n            "
	return "helm " + strings.Join(words[:5], " ") + " --wait" + next + strings.Join(words[7:11], " ") + next + strings.Join(words[11:], " ")
}

// clean removes what an earlier run left, so that the demo can be run again.
func (d *demo) clean(ctx context.Context) (string, error) {
	found, err := d.lab.Helm(ctx, "list", "--namespace", namespace, "--all", "--short", "--filter", "^"+release+"$")
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(found) == "" {
		return "", nil
	}
	if _, err := d.lab.Helm(ctx, "uninstall", release, "--namespace", namespace, "--wait"); err != nil {
		return "", err
	}
	if err := d.lab.DeleteNamespace(ctx, apps); err != nil {
		return "", err
	}
	return "removed the release and the namespace of an earlier run", nil
}

func (d *demo) install(ctx context.Context) (string, error) {
	if _, err := d.lab.Helm(ctx, d.helmArgs("install", "sidecar-1.yaml")...); err != nil {
		return "", err
	}
	return "installed; --wait returned because injection works", nil
}

func (d *demo) label(ctx context.Context) (string, error) {
	return "pods created in this namespace get the sidecar", d.lab.Namespace(ctx, apps, map[string]string{"istio-injection": "enabled"})
}

func (d *demo) workload(ctx context.Context) (string, error) {
	if err := d.lab.Deployment(ctx, lab.Hello(apps, "hello", d.image())); err != nil {
		return "", err
	}
	pod, err := d.pod(ctx, "one")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("pod %s Ready: %s", pod.Name, strings.Join(lab.ContainerNames(pod), ", ")), nil
}

func (d *demo) image() string { return d.hub + "/demo:" + d.tag }

// pod waits for a ready pod whose sidecar has the greeting.
func (d *demo) pod(ctx context.Context, greeting string) (*corev1.Pod, error) {
	return d.lab.ReadyPod(ctx, apps, "app=hello", func(pod *corev1.Pod) bool {
		return lab.SidecarEnv(pod, "GREETING") == greeting
	})
}

func (d *demo) request(greeting string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		pod, err := d.pod(ctx, greeting)
		if err != nil {
			return "", err
		}
		header, body, err := d.lab.Request(ctx, pod, lab.SidecarPort, "/")
		if err != nil {
			return "", err
		}
		if got := header.Get("X-Sidecar"); got != greeting {
			return "", fmt.Errorf("the answer's X-Sidecar header is %q, not %q: it did not come through the sidecar", got, greeting)
		}
		return fmt.Sprintf("X-Sidecar: %s | %s", greeting, strings.TrimSpace(body)), nil
	}
}

func (d *demo) upgrade(ctx context.Context) (string, error) {
	if _, err := d.lab.Helm(ctx, d.helmArgs("upgrade", "sidecar-2.yaml")...); err != nil {
		return "", err
	}
	start := d.now()
	probe := lab.UnschedulablePod(apps, "probe", map[string]string{"app": "probe"})
	err := d.lab.InForce(ctx, probe, func(pod *corev1.Pod) bool { return lab.SidecarEnv(pod, "GREETING") == "two" })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("no restart; in force %.1f s after helm came back", d.now().Sub(start).Seconds()), nil
}

func (d *demo) newPod(ctx context.Context) (string, error) {
	if err := d.lab.Restart(ctx, apps, "hello", d.now()); err != nil {
		return "", err
	}
	pod, err := d.pod(ctx, "two")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("pod %s has the new sidecar", pod.Name), nil
}

func (d *demo) tryNext() {
	fmt.Fprintf(d.out, `
The cluster stays up. Try next:
  %s
  kubectl -n %s get pods
  kubectl sidecar explain -n %s deployment/hello
  kubectl -n %s run no --image=%s --labels=sidecar.istio.io/inject=maybe -- pause
  make down
`, d.next, apps, apps, apps, d.image())
}
