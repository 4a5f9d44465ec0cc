// Package guard answers when an API server asks whether one of the injector's own two
// ConfigMaps may be stored. What the server would refuse to serve is refused there,
// with every error, before it is stored.
//
// The guard only ever refuses what it has judged. Where it cannot judge, because the
// other ConfigMap cannot be read or the time is over, it lets the object in with a
// warning: the servers judge what is stored by themselves, and keep
// what is in force. docs/decisions/0015-configuration-guard-and-record.md has the cases.
package guard

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// Path is where the guard is asked.
const Path = "/validate/configuration"

// The decisions, in logs, metrics and audit annotations.
const (
	// Accepted: nothing is wrong with it.
	Accepted decide.Code = "configuration-accepted"
	// Refused: it is not stored.
	Refused decide.Code = "configuration-refused"
	// NotJudged: let in unseen, with a warning that says why.
	NotJudged decide.Code = "configuration-not-judged"
	// Unchanged: the content stays as it is.
	Unchanged decide.Code = "configuration-unchanged"
)

const (
	// maxBody is the largest AdmissionReview that is read. A ConfigMap has 1 MiB of
	// data, of which JSON makes half as much again where every line has quotes, and
	// 256 KiB of annotations; an update brings the old one along; what else there is
	// gets half a MiB.
	maxBody = 4 << 20
	// maxRequests is how many wait to be judged, the one that is judged included: one
	// takes 20 ms. Where there are more, the peer that has the most yields.
	maxRequests = 8
	// parallel is how many are judged at one time: each may take a processor and a
	// third of the memory, which pods need. Peers have their turns one after another.
	parallel = 1
	// maxReading is how many bodies are read at one time, one for each connection that
	// five API servers may open for a burst of writes.
	maxReading = 16
	// maxBytes of bodies, half of it for those up to 256 KiB. Of the largest there is
	// room for one.
	maxBytes = 12 << 20
)

// Judge tries configurations as the server does; [source.Source] is one.
type Judge interface {
	// Serves reports whether this is in force, and so good whatever Try says.
	Serves(c config.Sources) bool
	Try(ctx context.Context, c config.Sources) inject.Findings
	TryInjection(ctx context.Context, injection *corev1.ConfigMap) inject.Findings
	TryMesh(ctx context.Context, mesh *corev1.ConfigMap) inject.Findings
}

// Options of the guard. Injection and Mesh name the ConfigMaps; one may be empty, for
// an injector that has that part of its configuration from a file.
type Options struct {
	Injection, Mesh types.NamespacedName
	// Read gets a ConfigMap as it is stored now. Nil: there is no API server.
	Read  func(ctx context.Context, name types.NamespacedName) (*corev1.ConfigMap, error)
	Judge Judge
	// Image is the image that this server runs, as the chart writes it on the
	// ConfigMaps too; empty: not known.
	Image string
	// Observe, Peer and Rejected are those of [admission.Config].
	Observe  func(admission.Event)
	Peer     func(*http.Request) (name, address string)
	Rejected func(*admission.Rejection)
}

// NewHandler returns the handler for [Path].
func NewHandler(o Options) http.Handler {
	g := &guard{o}
	return admission.NewObjectHandler(admission.ObjectConfig{
		Judge: g.judge, MaxBody: maxBody, Parallel: parallel,
		Limits:  admission.Limits{Reading: maxReading, Requests: maxRequests, Bytes: maxBytes},
		Observe: o.Observe, Peer: o.Peer, Rejected: o.Rejected,
	})
}

type guard struct{ Options }

// judge decides about one object.
func (g *guard) judge(ctx context.Context, o admission.Object) admission.Verdict {
	name := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
	if !g.applies(o, name) {
		return admission.Verdict{Code: admission.NotApplicable, Public: "is none of the injector's ConfigMaps being written: the webhook's rules need not name it"}
	}
	stored, old, err := decode(o)
	if err != nil {
		return notJudged("the object cannot be read: "+err.Error(), "the object cannot be read")
	}
	if old != nil && maps.Equal(stored.Data, old.Data) {
		return admission.Verdict{Code: Unchanged}
	}
	stored.Namespace, stored.Name = o.Namespace, o.Name
	if reason := g.otherVersion(stored, old); reason != "" {
		return notJudged(reason, reason)
	}
	if missing := g.incomplete(stored, name); len(missing) > 0 {
		return verdict(inject.Findings{Errors: missing}, about{name: name})
	}
	verdict := g.look(ctx, stored, old, name)
	if ctx.Err() != nil { // what was found says nothing about the configuration
		const reason = "there was not enough time"
		return notJudged(reason, reason)
	}
	return verdict
}

// applies reports whether the object is one of the two ConfigMaps, being written.
func (g *guard) applies(o admission.Object, name types.NamespacedName) bool {
	return o.Kind == "v1 ConfigMap" && o.SubResource == "" && (o.Operation == "CREATE" || o.Operation == "UPDATE") &&
		name.Name != "" && (name == g.Injection || name == g.Mesh)
}

// decode reads the object as it is to be stored, and as it is: nil when there is none.
func decode(o admission.Object) (stored, old *corev1.ConfigMap, err error) {
	stored = &corev1.ConfigMap{}
	if err := json.Unmarshal(o.New, stored); err != nil {
		return nil, nil, err
	}
	if o.Old == nil {
		return stored, nil, nil
	}
	old = &corev1.ConfigMap{}
	return stored, old, json.Unmarshal(o.Old, old)
}

// notJudged lets an object in that nobody looked at.
func notJudged(reason, public string) admission.Verdict {
	return admission.Verdict{
		Code: NotJudged, Public: "not judged: " + public,
		Warnings: []string{"not judged by the sidecar injector: " + reason + "; the servers judge it when it is stored, see kubectl sidecar status"},
	}
}
