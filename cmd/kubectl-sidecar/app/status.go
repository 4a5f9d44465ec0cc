package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func (p *program) statusCommand() *cobra.Command {
	o := &options{}
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how the injector in the cluster is doing",
		Long: `status looks at the injector that is installed: its replicas, its configuration,
whether that or the last good one is served, its certificates and whether the
webhook trusts them. It exits with 1 when something is wrong. Certificates are read
from their Secret, and what is served from the record of the last good configuration;
without the right to read one of them, it is left out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return cli.Usagef(`invalid --output %q: must be "json", or left out`, output)
			}
			return p.status(cmd.Context(), o.revision, output)
		},
	}
	cmd.Flags().StringVar(&o.revision, "revision", "", "`name` of the injector's revision, in a cluster with several")
	cmd.Flags().StringVarP(&output, "output", "o", "", "`format` of the output: json, or text by default")
	return cmd
}

// health is how an injector is doing.
type health struct {
	Injector string `json:"injector"`
	Revision string `json:"revision"`
	Image    string `json:"image"`
	Ready    int32  `json:"readyReplicas"`
	Wanted   int32  `json:"replicas"`
	Config   string `json:"configHash,omitempty"`
	// LastGood is what the servers have recorded as good; nil: nothing is known of it.
	LastGood *lastGoodHealth `json:"lastGood,omitempty"`
	Webhooks []entryHealth   `json:"webhooks"`
	Serving  *servingHealth  `json:"certificate,omitempty"`
	Problems []string        `json:"problems,omitempty"`
	// Warnings need nobody's attention now, so they do not make the exit code 1.
	Warnings []string `json:"warnings,omitempty"`
}

type entryHealth struct {
	Name          string `json:"name"`
	FailurePolicy string `json:"failurePolicy"`
	CABundle      string `json:"caBundle"`
}

func (h *health) problem(format string, args ...any) {
	h.Problems = append(h.Problems, fmt.Sprintf(format, args...))
}

func (p *program) status(ctx context.Context, revision, format string) error {
	client, err := p.client()
	if err != nil {
		return err
	}
	c, err := find(ctx, live{client}, revision)
	if c == nil {
		return err
	}
	h := newHealth(c)
	wrong := []error{err} // of the configuration
	if err == nil {
		wrong = h.judge(ctx, c)
	}
	if err := p.lastGood(ctx, client, c, h, len(wrong) > 0); err != nil {
		p.warn("the record of the last good configuration is not looked at: %v", err)
	}
	for _, err := range wrong {
		h.problem("configuration: %v", err)
	}
	if err := p.certificates(ctx, client, c, h); err != nil {
		p.warn("certificates are not looked at: %v", err)
	}
	if format == "json" {
		e := json.NewEncoder(p.stdout)
		e.SetIndent("", "  ")
		err = e.Encode(h)
	} else {
		err = h.print(p.stdout)
	}
	if err == nil && len(h.Problems) > 0 {
		err = errors.New("something is wrong with the injector")
	}
	return err
}

// judge judges the configuration as the servers do, and returns what is wrong with it.
func (h *health) judge(ctx context.Context, c *configuration) []error {
	snapshot, found := c.load(ctx)
	if snapshot != nil {
		h.Config = snapshot.Hash()
	}
	for _, warning := range found.Warnings {
		h.Warnings = append(h.Warnings, "configuration: "+warning)
	}
	return found.Errors
}

func newHealth(c *configuration) *health {
	h := &health{
		Injector: c.server.Namespace + "/" + c.server.Name, Revision: c.revision, Image: c.image,
		Ready: c.server.Status.ReadyReplicas, Wanted: 1,
	}
	if c.server.Spec.Replicas != nil {
		h.Wanted = *c.server.Spec.Replicas
	}
	if h.Ready < h.Wanted {
		h.problem("%d of %d replicas are ready", h.Ready, h.Wanted)
	}
	return h
}

// certificates looks at the Secret that holds the serving certificate, and at
// whether each webhook entry trusts it. The private keys in it are not read.
func (p *program) certificates(ctx context.Context, client kubernetes.Interface, c *configuration, h *health) error {
	now := p.now()
	var read error
	if name, err := kube.ParseName(c.certSecret); err == nil {
		secret, err := client.CoreV1().Secrets(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			h.problem("secret %s: does not exist; servers that run go on with what they have in memory, and helm upgrade makes it again", c.certSecret)
		} else if read = err; err == nil {
			h.Serving = readServing(secret.Data, now)
			for _, problem := range h.Serving.problems(now) {
				h.problem("secret %s: %s", c.certSecret, problem)
			}
		}
	}
	for _, w := range c.webhooks {
		e := entryHealth{Name: w.Name, FailurePolicy: "Fail"}
		if w.FailurePolicy != nil {
			e.FailurePolicy = string(*w.FailurePolicy)
		}
		e.CABundle = "is set"
		if err := trusts(w.ClientConfig, h.Serving, now); err != nil {
			h.problem("webhook %s: caBundle %v", w.Name, err)
			e.CABundle = err.Error()
		} else if h.Serving != nil {
			e.CABundle = "matches the serving certificate"
		}
		h.Webhooks = append(h.Webhooks, e)
	}
	return read
}

func (h *health) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "injector\t%s\nrevision\t%s\nimage\t%s\nreplicas\t%d of %d ready\n", h.Injector, h.Revision, h.Image, h.Ready, h.Wanted)
	if h.Config != "" {
		fmt.Fprintf(t, "configuration\t%s\n", h.Config)
	}
	if g := h.LastGood; g != nil {
		fmt.Fprintf(t, "last good\t%s, accepted by %s, in force since %s\n", g.Hash, g.Version, g.Since.UTC().Format(time.RFC3339))
	}
	for _, w := range h.Webhooks {
		fmt.Fprintf(t, "webhook\t%s, failurePolicy %s\n", w.Name, w.FailurePolicy)
		fmt.Fprintf(t, "caBundle\t%s\n", w.CABundle)
	}
	if s := h.Serving; s != nil && s.leaf == nil {
		fmt.Fprint(t, "certificate\tnone\n")
	} else if s != nil {
		fmt.Fprintf(t, "certificate\t%d days left, until %s\n", s.DaysLeft, s.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
		fmt.Fprintf(t, "CA\t%d days left, until %s\n", s.CADaysLeft, s.CANotAfter.UTC().Format("2006-01-02 15:04 MST"))
		fmt.Fprintf(t, "rotation\t%s\n", s.Phase)
	}
	for _, problem := range h.Problems {
		fmt.Fprintf(t, "problem\t%s\n", problem)
	}
	for _, warning := range h.Warnings {
		fmt.Fprintf(t, "warning\t%s\n", warning)
	}
	return t.Flush()
}
