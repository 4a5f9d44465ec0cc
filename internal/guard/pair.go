package guard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// readTime bounds the reading of the other ConfigMap: an API server that is asking
// right now answers within milliseconds, and the rest of the time is for judging.
const readTime = 3 * time.Second

// StampAnnotation is what the chart writes on both ConfigMaps: the image of the server
// that they are for. A server that runs another one leaves the judgement to that.
const StampAnnotation = "sidecar.istio.io/injector-image"

// chartLabel names the chart's version on every object of it.
const chartLabel = "helm.sh/chart"

// otherVersion says why the ConfigMap is for another version of the injector; empty
// when it is not. Without a stamp it is for whoever runs, unless the stamp is gone
// because another version of the chart wrote it: one from before there were stamps,
// which a rollback brings back.
func (g *guard) otherVersion(stored, old *corev1.ConfigMap) string {
	switch stamp := stored.Annotations[StampAnnotation]; {
	case stamp != "" && g.Image != "" && stamp != g.Image:
		return fmt.Sprintf("annotation %s says that it is for %s, and this server is %s", StampAnnotation, stamp, g.Image)
	case stamp == "" && old != nil && old.Annotations[StampAnnotation] != "" && stored.Labels[chartLabel] != old.Labels[chartLabel]:
		return fmt.Sprintf("it comes from chart %q without annotation %s, and replaces what comes from %q", stored.Labels[chartLabel], StampAnnotation, old.Labels[chartLabel])
	}
	return ""
}

// incomplete returns an error for each key that the server needs and that the
// ConfigMap lacks.
func (g *guard) incomplete(cm *corev1.ConfigMap, name types.NamespacedName) []error {
	var injection, mesh *corev1.ConfigMap
	if name == g.Injection {
		injection = cm
	}
	if name == g.Mesh {
		mesh = cm
	}
	if joined, ok := source.CheckKeys(injection, mesh).(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

// look judges the ConfigMap with the other one, or alone where the two do not belong
// together or the other one cannot be read.
func (g *guard) look(ctx context.Context, cm, old *corev1.ConfigMap, name types.NamespacedName) admission.Verdict {
	if g.Injection == g.Mesh {
		return verdict(g.try(ctx, source.FromConfigMaps(cm, cm)), about{name: name})
	}
	other, reason := g.other(ctx, cm, old, name)
	if other == nil {
		return verdict(g.alone(ctx, cm, name), about{name: name, untried: reason})
	}
	pair := about{name: name}
	if !knows(cm, other) {
		pair.hidden = g.counterpart(name).String() + ":"
	}
	findings := g.try(ctx, g.pair(cm, other, name))
	if len(findings.Errors) == 0 {
		return verdict(findings, pair)
	}
	// What is wrong with the other one by itself is not mended by refusing this one, and
	// could never be mended if each were refused because of the other.
	if theirs := g.alone(ctx, other, g.counterpart(name)); len(theirs.Errors) > 0 {
		return verdict(g.alone(ctx, cm, name), about{name: name, untried: fmt.Sprintf("configmap %s is wrong by itself, mend it too", g.counterpart(name))})
	}
	return verdict(findings, pair)
}

// try judges a pair, unless it is what the server serves anyway.
func (g *guard) try(ctx context.Context, pair config.Sources) inject.Findings {
	if g.Judge.Serves(pair) {
		return inject.Findings{}
	}
	return g.Judge.Try(ctx, pair)
}

func (g *guard) counterpart(name types.NamespacedName) types.NamespacedName {
	if name == g.Injection {
		return g.Mesh
	}
	return g.Injection
}

// other returns the other ConfigMap, or nil where this one must be judged alone, with
// the reason to be told, if any.
func (g *guard) other(ctx context.Context, cm, old *corev1.ConfigMap, name types.NamespacedName) (*corev1.ConfigMap, string) {
	of := g.counterpart(name)
	if of.Name == "" || g.Read == nil {
		return nil, "the injector has the other part of its configuration from files"
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	other, err := g.Read(ctx, of)
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Sprintf("configmap %s does not exist", of)
	case err != nil:
		return nil, fmt.Sprintf("configmap %s cannot be read: %v", of, err)
	case g.otherVersion(other, nil) != "":
		return nil, fmt.Sprintf("configmap %s is for another version of the injector", of)
	case len(g.incomplete(other, of)) > 0:
		return nil, g.incomplete(other, of)[0].Error()
	}
	if mine, theirs := source.Generation(cm), source.Generation(other); mine != "" && theirs != "" && mine != theirs {
		if old == nil || source.Generation(old) != mine {
			return nil, "" // the first half of a change of both: the second is judged with it
		}
		return nil, fmt.Sprintf("this one stays of generation %.16q, and configmap %s is of %.16q: what is in force stays until both are of one, as helm upgrade or helm rollback makes them", mine, of, theirs)
	}
	return other, ""
}

// pair are the documents of both.
func (g *guard) pair(cm, other *corev1.ConfigMap, name types.NamespacedName) config.Sources {
	if name == g.Injection {
		return source.FromConfigMaps(cm, other)
	}
	return source.FromConfigMaps(other, cm)
}

// alone judges what a ConfigMap says by itself.
func (g *guard) alone(ctx context.Context, cm *corev1.ConfigMap, name types.NamespacedName) inject.Findings {
	if name == g.Injection {
		return g.Judge.TryInjection(ctx, cm)
	}
	return g.Judge.TryMesh(ctx, cm)
}

// about says what was judged, for the answer.
type about struct {
	name types.NamespacedName
	// untried is why templates were not tried with the other ConfigMap; empty when they
	// were, or when nobody need know.
	untried string
	// hidden begins the place of what must not be shown; empty: all may be.
	hidden string
}

// minProof is how long a generation must be to show that its writer has read the other
// ConfigMap. That of the chart is a SHA-256 of all texts, in hexadecimal.
const minProof = 32

// knows reports whether whoever wrote a ConfigMap has read the other one, or wrote both:
// it carries the generation of that. Whoever asks need not be an API server.
func knows(cm, other *corev1.ConfigMap) bool {
	generation := source.Generation(cm)
	return len(generation) >= minProof && generation == source.Generation(other)
}

// shown is a text, or its public form where it is about what must not be shown.
func (a about) shown(text, public string) string {
	if a.hidden != "" && strings.Contains(text, a.hidden) {
		return public
	}
	return text
}

// verdict is the answer for what was found.
func verdict(f inject.Findings, a about) admission.Verdict {
	v := admission.Verdict{Code: Accepted}
	if a.untried != "" {
		v.Warnings = append(v.Warnings, "judged alone by the sidecar injector, without trying templates: "+a.untried)
		v.Public = "judged alone: " + a.untried
	}
	for i, w := range f.Warnings {
		v.Warnings = append(v.Warnings, a.shown(w, f.PublicWarnings()[i]))
	}
	if len(f.Errors) > 0 {
		refuse(&v, f.Errors, a)
	}
	return v
}

// refuse makes a verdict a refusal.
func refuse(v *admission.Verdict, errs []error, a about) {
	count := fmt.Sprintf("%d errors", len(errs))
	if len(errs) == 1 {
		count = "1 error"
	}
	v.Code, v.Refused = Refused, true
	v.Message = "the sidecar injector would not serve this configuration, " + count + "; what is in force has not changed:"
	var public []string
	for _, err := range errs {
		text := a.shown(err.Error(), publicText(err))
		v.Causes = append(v.Causes, admission.Cause{Field: field(a.name, text), Message: text})
		public = append(public, publicText(err))
	}
	v.Public = strings.Join(public, "; ")
	if a.untried != "" {
		v.Public = "judged alone: " + v.Public
	}
}

// field is the field of the ConfigMap that an error is about, whose place begins with
// namespace/name:key where it is one key.
func field(name types.NamespacedName, message string) string {
	if rest, ok := strings.CutPrefix(message, name.String()+":"); ok {
		if key, _, ok := strings.Cut(rest, ":"); ok {
			return "data." + key
		}
	}
	return "data"
}

// publicText is an error for the log.
func publicText(err error) string {
	var p interface{ Public() string }
	if errors.As(err, &p) {
		return p.Public()
	}
	return err.Error()
}
