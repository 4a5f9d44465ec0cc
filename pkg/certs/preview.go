package certs

import (
	"context"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
)

// maxPreview bounds the steps that are foreseen; more than a renewal, an
// announcement and a prune never follow each other without waiting.
const maxPreview = 8

// Preview says which steps Ensure would take now and with which certificate it
// would end (nil: it would wait for another process), but writes nothing. The
// CABundle must be one that only observes; afterwards it wants what Ensure would want.
func Preview(ctx context.Context, o EnsureOptions) ([]Step, *Certificate, error) {
	secret, err := o.Store.Get(ctx)
	if err != nil {
		return nil, nil, &kube.Error{Verb: "get", Object: "secret " + o.Secret.String(), Err: err}
	}
	if o.CABundle != nil {
		if err := o.CABundle.Sync(ctx); err != nil {
			return nil, nil, err
		}
	}
	e := &ensurer{o: o, actor: newActor(o.Policy, &CertificateSource{})}
	state := ParseState(secret.Data)
	var steps []Step
	for range maxPreview {
		v := e.actor.look(o.Clock.Now(), state, true, look(e.trust()))
		if o.CABundle != nil {
			o.CABundle.Want(v.want)
		}
		if v.step.Action == Wait {
			if v.leafErr != nil {
				return steps, nil, nil
			}
			break
		}
		if state, err = Apply(v.step.Action, v.input, o.Policy); err != nil {
			return nil, nil, err
		}
		steps = append(steps, v.step)
	}
	return steps, state.Certificate(), nil
}
