package inject

import (
	"context"
)

// Trial is a sample pod as the configuration injects it.
type Trial struct {
	// Name is the sample's, and Templates are those that were rendered for it, in order.
	Name      string
	Templates []string
	// Pod is the injected pod in JSON.
	Pod []byte
}

// Trials returns the sample pods as they are injected, whatever policy and selectors
// say, without those that cannot be. It ends early with ctx.
func (s *Snapshot) Trials(ctx context.Context) []Trial {
	var out []Trial
	for _, sample := range samples() {
		if trial, err := s.trial(ctx, sample); err == nil {
			out = append(out, trial)
		}
	}
	return out
}
