package app

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/pmezard/go-difflib/difflib"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/hook"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

func (p *program) printExplanations(all []explanation, format string) error {
	if format == "json" {
		e := json.NewEncoder(p.stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(all)
	}
	for i := range all {
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		if err := all[i].print(p.stdout); err != nil {
			return err
		}
	}
	return nil
}

func (x *explanation) print(out io.Writer) error {
	fmt.Fprintf(out, "%s: %s\n", x.Workload, x.verdict())
	if x.State != "" {
		fmt.Fprintf(out, "  this pod %s\n", x.State)
	}
	if x.pod == nil {
		printList(out, "warnings", x.Warnings)
		return nil
	}
	for _, w := range x.Webhooks {
		printWebhook(out, w)
	}
	fmt.Fprintf(out, "  injector: %s (%s)\n", x.Decision.Message, x.Decision.Code)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range x.Decision.Trace {
		fmt.Fprintf(t, "    %s\t%s\n", s.Check, s.Detail)
	}
	t.Flush()
	if len(x.Templates) > 0 {
		fmt.Fprintf(out, "  templates: %s\n", strings.Join(x.Templates, ", "))
	}
	printList(out, "warnings", x.Warnings)
	if x.Decision.Outcome != decide.Inject {
		return nil
	}
	return x.printDifference(out)
}

func (x *explanation) verdict() string {
	switch {
	case x.pod == nil:
		return "makes no pods that could be looked at"
	case x.Injected:
		return "is injected"
	case x.Decision.Outcome == decide.Refuse:
		return "is refused"
	case x.Decision.Outcome == decide.Inject:
		return "is not injected, because the webhook is not called"
	}
	return "is not injected"
}

func printWebhook(out io.Writer, w hook.Verdict) {
	called := "is called"
	if !w.Called {
		called = "is not called"
	}
	fmt.Fprintf(out, "  webhook %s: %s\n", w.Webhook, called)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range w.Steps {
		mark := "yes"
		if !s.Passed {
			mark = "no"
		}
		fmt.Fprintf(t, "    %s\t%s\t%s\n", mark, s.Check, s.Detail)
	}
	t.Flush()
}

func printList(out io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(out, "  %s:\n", title)
	for _, l := range lines {
		fmt.Fprintf(out, "    %s\n", l)
	}
}

// printDifference shows the pod before and after, as YAML.
func (x *explanation) printDifference(out io.Writer) error {
	if x.Patch == nil {
		fmt.Fprintln(out, "  difference: none")
		return nil
	}
	patch, err := jsonpatch.DecodePatch(x.Patch)
	if err != nil {
		return err
	}
	after, err := patch.Apply(x.pod)
	if err != nil {
		return err
	}
	was, err := yaml.JSONToYAML(x.pod)
	if err != nil {
		return err
	}
	is, err := yaml.JSONToYAML(after)
	if err != nil {
		return err
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(was), B: lines(is),
		FromFile: "pod as it is", ToFile: "pod as it is injected", Context: 3,
	})
	fmt.Fprintln(out, "  difference:")
	for _, line := range strings.SplitAfter(strings.TrimRight(diff, "\n"), "\n") {
		fmt.Fprint(out, "    "+line)
	}
	fmt.Fprintln(out)
	return err
}

func lines(text []byte) []string {
	all := strings.SplitAfter(string(text), "\n")
	return all[:len(all)-1] // YAML ends with a newline
}
