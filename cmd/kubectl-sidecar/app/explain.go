package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/hook"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/workload"
)

type explain struct {
	options
	file, output    string
	namespaceLabels map[string]string
}

func (p *program) explainCommand() *cobra.Command {
	e := &explain{}
	cmd := &cobra.Command{
		Use:   "explain POD|KIND/NAME|-f FILE",
		Short: "Say whether a pod is injected, and why",
		Long: `explain follows a pod on its way: whether the API server calls the webhook for it
(rules, selectors, match conditions), what the injector decides and by which check,
which templates are rendered, and what they change. It explains the pods of
manifests, of a workload in the cluster, or a pod that runs; of the latter it also
says whether it has been injected, and whether it would be injected otherwise today.`,
		Example: `  kubectl sidecar explain deployment/web -n shop
  kubectl sidecar explain web-5d8f9c7b4-x2x7k
  kubectl sidecar explain -f app.yaml --chart ./charts/istio-sidecar-injector --namespace-labels istio-injection=enabled`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.explain(cmd.Context(), e, args)
		},
	}
	e.addFlags(cmd.Flags())
	f := cmd.Flags()
	f.StringVarP(&e.file, "filename", "f", "", "explain the pods of this manifest `file`; - is standard input")
	f.StringVarP(&e.output, "output", "o", "", "`format` of the output: json, or text by default")
	f.StringToStringVar(&e.namespaceLabels, "namespace-labels", nil, "`labels` of the pods' namespace, key=value, where no cluster is asked")
	return cmd
}

// explanation is what is known about one workload's pods.
type explanation struct {
	Workload string `json:"workload"`
	// Injected says what comes of it all: the webhook is called, as far as that
	// is known, and the injector injects.
	Injected  bool            `json:"injected"`
	Webhooks  []hook.Verdict  `json:"webhooks,omitempty"`
	Decision  decide.Decision `json:"decision"`
	Templates []string        `json:"templates,omitempty"`
	Warnings  []string        `json:"warnings,omitempty"`
	// State is what happened to a pod that runs; empty for others.
	State string          `json:"state,omitempty"`
	Patch json.RawMessage `json:"patch,omitempty"`

	pod []byte
}

func (p *program) explain(ctx context.Context, e *explain, args []string) error {
	switch {
	case e.output != "" && e.output != "json":
		return cli.Usagef(`invalid --output %q: must be "json", or left out`, e.output)
	case (len(args) == 1) == (e.file != ""):
		return cli.Usagef("give either a POD, a KIND/NAME, or a manifest with -f FILE")
	}
	snapshot, c, err := p.snapshot(ctx, &e.options)
	if err != nil {
		return err
	}
	var in io.Reader
	namespace := p.namespace()
	if e.file != "" {
		file, err := p.open(e.file)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	} else {
		object, err := p.get(args[0])
		if err != nil {
			return err
		}
		in = bytes.NewReader(object)
	}
	reports, err := workload.Inject(ctx, snapshot, in, io.Discard, workload.Options{Namespace: namespace, Trace: true})
	if err != nil && len(reports) == 0 {
		return err
	}
	if len(reports) == 0 {
		return fmt.Errorf("there is nothing in it that makes pods")
	}
	if len(c.webhooks) > 0 && c.cluster == nil && e.namespaceLabels == nil {
		p.warn("of the namespace only the name is known: give --namespace-labels, or selectors see none")
	}
	all, err := explainAll(ctx, e, c, reports, namespace)
	if err != nil {
		return err
	}
	for i := range all {
		if len(args) == 1 && reports[i].Kind == "Pod" {
			all[i].State = state(&reports[i])
		}
	}
	return p.printExplanations(all, e.output)
}

func explainAll(ctx context.Context, e *explain, c *configuration, reports []workload.Report, namespace string) ([]explanation, error) {
	var matcher *hook.Matcher
	if len(c.webhooks) > 0 {
		matcher = hook.NewMatcher()
	}
	var all []explanation
	for i := range reports {
		r := &reports[i]
		x := explanation{
			Workload: r.String(), Decision: r.Result.Decision, Templates: r.Result.Templates,
			Warnings: r.Warnings, Patch: r.Result.Patch, pod: r.Pod,
			Injected: r.Result.Decision.Outcome == decide.Inject && r.Pod != nil,
		}
		called := matcher == nil
		for j := range c.webhooks {
			if r.Pod == nil {
				break
			}
			ns := hook.Namespace{Name: cmp.Or(r.Namespace, namespace, "default"), Labels: e.namespaceLabels}
			if c.cluster != nil && e.namespaceLabels == nil {
				ns.Labels = c.cluster.namespaces[ns.Name].Labels
			}
			verdict, err := matcher.Match(ctx, &c.webhooks[j], ns, r.Pod)
			if err != nil {
				return nil, err
			}
			x.Webhooks = append(x.Webhooks, verdict)
			called = called || verdict.Called
		}
		x.Injected = x.Injected && called
		all = append(all, x)
	}
	return all, nil
}

const statusKey = "sidecar.istio.io/status"

// state says what happened to a pod that runs.
func state(r *workload.Report) string {
	var pod struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	injected := json.Unmarshal(r.Pod, &pod) == nil && pod.Metadata.Annotations[statusKey] != ""
	wanted := r.Result.Decision.Outcome == decide.Inject
	switch {
	case injected && wanted && r.Result.Patch == nil:
		return "has been injected, as it would be today"
	case injected && wanted:
		return "has been injected, but would be injected otherwise today: it is stale"
	case injected:
		return "has been injected, but would not be today"
	case wanted:
		return "has not been injected, but would be if it were created today"
	}
	return "has not been injected"
}

// get fetches an object; a name without a kind is a pod's.
func (p *program) get(name string) ([]byte, error) {
	if !strings.Contains(name, "/") {
		name = "pod/" + name
	}
	namespace, _, err := p.kube.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	infos, err := resource.NewBuilder(p.kube).Unstructured().
		NamespaceParam(namespace).DefaultNamespace().
		ResourceTypeOrNameArgs(false, name).
		Do().Infos()
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, fmt.Errorf("%s: %d objects found", name, len(infos))
	}
	return json.Marshal(infos[0].Object)
}
