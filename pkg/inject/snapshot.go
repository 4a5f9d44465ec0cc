package inject

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"k8s.io/pod-security-admission/policy"

	meshconfig "istio.io/api/mesh/v1alpha1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/classic"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// Snapshot is a configuration ready to inject with. What it says never changes, so any
// number of goroutines may use it, and a server may swap it for another one at
// any time.
type Snapshot struct {
	config    *config.Config
	options   Options
	rules     *decide.Rules
	templates map[string]*render.Template
	// named are the annotations that templates name, where a list allows some only.
	named    map[string]bool
	values   values
	security evaluator
	// now is the clock for messages about time that has passed.
	now func() time.Time
	// inbound is the template field InboundTrafficPolicyMode.
	inbound string
	// overlays and fragments are the only parts that change; they may at any time.
	overlays  parseCache[*merge.Overlay]
	fragments parseCache[*classic.Fragment]
}

// Compile makes a snapshot. The error names every template that cannot be
// compiled, with file and line.
func Compile(cfg *config.Config, o Options) (*Snapshot, error) {
	return compile(context.Background(), cfg, o, render.Limits{})
}

// CompileWithLimits is Compile with limits of one's own on the execution of
// templates.
func CompileWithLimits(cfg *config.Config, o Options, limits render.Limits) (*Snapshot, error) {
	return compile(context.Background(), cfg, o, limits)
}

func compile(ctx context.Context, cfg *config.Config, o Options, limits render.Limits) (*Snapshot, error) {
	if o.Revision == "" {
		o.Revision = "default"
	}
	if o.Platform != "" && o.Platform != PlatformOpenShift {
		return nil, fmt.Errorf("platform: invalid value %q, must be %q or empty", o.Platform, PlatformOpenShift)
	}
	rules, err := decide.NewRules(decide.Settings{
		Classic: cfg.Dialect == config.Classic,
		Enabled: cfg.Policy == config.PolicyEnabled,
		Never:   cfg.NeverInject,
		Always:  cfg.AlwaysInject,
	})
	if err != nil {
		return nil, err
	}
	security, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{
		security:  security,
		now:       limits.Now,
		config:    cfg,
		options:   o,
		rules:     rules,
		templates: make(map[string]*render.Template, len(cfg.Templates)),
		values:    readValues(cfg.Values),
		inbound:   inboundMode(cfg.Mesh),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.compileTemplates(ctx, s.language(), limits, s.constants()); err != nil {
		return nil, err
	}
	if cfg.AllowedAnnotations != nil {
		s.named = namedByTemplates(s.templates)
	}
	return s, nil
}

// language is what the templates are written in.
func (s *Snapshot) language() *render.Language {
	language := render.Current(s.options.Env)
	if s.config.Dialect == config.Classic {
		language = render.Classic()
	}
	language.OnDefect = s.options.OnDefect
	return language
}

func (s *Snapshot) compileTemplates(ctx context.Context, language *render.Language, limits render.Limits, constants []render.Constants) error {
	var errs []error
	for _, name := range s.TemplateNames() {
		t, err := language.CompileContext(ctx, name, s.config.Templates[name], s.config.TemplateOrigins[name], limits, constants...)
		if ctx.Err() != nil {
			return err // of the others there would be the same to say
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.templates[name] = t
		if err := render.Together(s.templates); err != nil {
			return err // before there is more of it
		}
	}
	slices.SortStableFunc(errs, func(a, b error) int {
		var first, second *render.Error
		if !errors.As(a, &first) || !errors.As(b, &second) || first.File != second.File {
			return 0
		}
		return first.Line - second.Line
	})
	return errors.Join(errs...)
}

// PlatformOpenShift is the value of Options.Platform for OpenShift.
const PlatformOpenShift = "openshift"

// Hash identifies what the configuration says, see config.Config.Hash.
func (s *Snapshot) Hash() string { return s.config.Hash() }

// Dialect tells which language the configuration is written in.
func (s *Snapshot) Dialect() config.Dialect { return s.config.Dialect }

// Config returns what the snapshot was compiled from. It must not be changed.
func (s *Snapshot) Config() *config.Config { return s.config }

// Options returns the settings that the snapshot was compiled with.
func (s *Snapshot) Options() Options { return s.options }

// TemplateNames returns the names of all templates, sorted.
func (s *Snapshot) TemplateNames() []string {
	names := make([]string, 0, len(s.config.Templates))
	for name := range s.config.Templates {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TemplateHash returns the SHA-256 of a template's raw text, in hexadecimal.
func (s *Snapshot) TemplateHash(name string) string { return s.config.TemplateHash(name) }

// StatusPort is the port on which the proxy's agent answers, where a pod does
// not say otherwise; 0 in the classic dialect, where the template says it.
func (s *Snapshot) StatusPort() int32 { return s.config.Mesh.GetDefaultConfig().GetStatusPort() }

func inboundMode(mesh *meshconfig.MeshConfig) string {
	if mesh.GetInboundTrafficPolicy().GetMode() == meshconfig.MeshConfig_InboundTrafficPolicy_LOCALHOST {
		return "localhost"
	}
	return "passthrough"
}

// proxyConfigOf returns what the proxy of a pod with these annotations is configured
// with: the mesh's default, overlaid with the annotation.
func (s *Snapshot) proxyConfigOf(all map[string]string) (*meshconfig.ProxyConfig, error) {
	base := s.config.Mesh.GetDefaultConfig()
	text, ok := all[proxyConfigKey]
	if !ok {
		return base, nil
	}
	pc, err := config.OverlayProxyConfig(base, "annotation "+proxyConfigKey, text)
	if err != nil {
		return nil, err
	}
	if proto.Equal(pc, base) {
		return base, nil
	}
	return pc, nil
}
