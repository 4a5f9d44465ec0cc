package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/nearest"
)

// knownKeys are the top-level keys of the injection configuration, of both
// dialects.
func knownKeys() []string {
	return []string{
		"policy", "template", "templates", "defaultTemplates", "aliases",
		"neverInjectSelector", "alwaysInjectSelector", "injectedAnnotations",
		"allowedAnnotations", "allowedOverrides",
		"fieldValidation", "additionalFields", "samplePods",
	}
}

// parseInject reads the injection configuration. The Config that it returns is
// usable when the report has no errors.
func parseInject(s Source, r *report) *Config {
	c := &Config{
		Source:          s.Name,
		Templates:       map[string]string{},
		TemplateOrigins: map[string]Origin{},
		Aliases:         map[string][]string{},
	}
	top := document(s, r)
	if top == nil {
		if len(r.errs) == 0 {
			r.errorf(nil, "", "the injection configuration is empty")
		}
		return c
	}
	p := &injectParser{c: c, r: r}
	pairs(top, "", r, p.field)
	p.dialect(top)
	p.bounds()
	p.finish()
	return c
}

// bounds reports what there is too much of.
func (p *injectParser) bounds() {
	c := p.c
	bound := func(n, limit int, field, what string) {
		if n > limit {
			p.r.errorf(nil, field, "%d %s are more than the %d that a configuration may have", n, what, limit)
		}
	}
	if bound(len(c.Templates), maxTemplates, "templates", "templates"); len(c.Templates) > maxTemplates {
		c.Templates = nil // which are not to be compiled
	}
	listed := len(c.DefaultTemplates)
	for _, list := range c.Aliases {
		listed += len(list)
	}
	bound(max(listed, len(c.Aliases)), maxAliases, "aliases", "names in aliases and defaultTemplates")
	bound(len(c.NeverInject)+len(c.AlwaysInject), maxSelectors, "neverInjectSelector", "selectors, with those of alwaysInjectSelector,")
	bound(len(c.AllowedAnnotations)+len(c.AllowedOverrides), maxAllowed, "allowedAnnotations", "names, with those of allowedOverrides,")
	bound(len(c.AdditionalFields), maxAllowed, "additionalFields", "names")
	bytes := 0
	for k, v := range c.InjectedAnnotations {
		bytes += len(k) + len(v)
	}
	bound(bytes, maxAnnotations, "injectedAnnotations", "bytes")
}

// named reports a name that is too long.
func (p *injectParser) named(field, name string, k *yaml.Node) {
	if len(name) > maxName {
		p.r.errorf(k, field, "a name of %d bytes is longer than the %d that it may have", len(name), maxName)
	}
}

type injectParser struct {
	c *Config
	r *report

	// policy, defaults, overrides, template and templates are the values of these
	// keys; nil where they are not there.
	policy, defaults, overrides, template, templates *yaml.Node
}

func (p *injectParser) field(key string, k, v *yaml.Node) {
	switch key {
	case "policy":
		p.policy = where(k, v)
		p.c.Policy = Policy(p.text(key, k, v))
	case "template":
		p.template = v
	case "templates":
		p.templates = v
	case "defaultTemplates":
		p.defaults = v
		p.c.DefaultTemplates = p.list(key, k, v)
	case "aliases":
		p.mapping(key, k, v, func(name string, k, v *yaml.Node) {
			p.named(key, name, k)
			p.c.Aliases[name] = p.list(key+"."+name, k, v)
			p.r.at(key+"."+name, v)
		})
	case "neverInjectSelector":
		p.c.NeverInject = p.selectors(key, k, v)
	case "alwaysInjectSelector":
		p.c.AlwaysInject = p.selectors(key, k, v)
	case "injectedAnnotations":
		p.c.InjectedAnnotations = map[string]string{}
		p.mapping(key, k, v, func(name string, k, v *yaml.Node) {
			p.c.InjectedAnnotations[name] = p.text(key+"."+name, k, v)
			// As apimachinery's ValidateAnnotations has it, for every pod that is injected.
			for _, problem := range validation.IsQualifiedName(strings.ToLower(name)) {
				problem, _, _ = strings.Cut(problem, " (e.g. ")
				p.r.errorf(k, key+"."+name, "is not the name of an annotation: %s", problem)
			}
		})
	case "allowedAnnotations":
		p.c.AllowedAnnotations = p.allowList(key, k, v)
	case "allowedOverrides":
		p.overrides = k
		p.c.AllowedOverrides = p.allowList(key, k, v)
	case "fieldValidation", "additionalFields", "samplePods":
		p.judging(key, k, v)
	default:
		p.unknown(key, k)
	}
}

// unknown reports a key that is not known. One that looks misspelled is an error,
// because the setting that was meant would have no effect and nobody would notice.
// Any other becomes a note, because installations have keys for other readers.
func (p *injectParser) unknown(key string, k *yaml.Node) {
	if known := nearest.Of(key, knownKeys()); known != "" {
		p.r.errorf(k, key, "unknown key, did you mean %q?", known)
		return
	}
	p.r.notef(k, key, "unknown key, ignored")
}

// dialect finds the dialect and takes over the templates.
func (p *injectParser) dialect(top *yaml.Node) {
	c := p.c
	switch {
	case p.templates != nil && p.templates.Kind == yaml.MappingNode:
		if len(p.templates.Content) == 0 {
			p.r.errorf(p.templates, "templates", "holds no template, every pod would be refused")
		}
		text := string(p.r.source.Data)
		pairs(p.templates, "templates.", p.r, func(name string, k, v *yaml.Node) {
			p.named("templates", name, k)
			c.Templates[name] = p.text("templates."+name, k, v)
			if len(c.Templates) <= maxTemplates {
				c.TemplateOrigins[name] = p.r.source.origin("templates."+name, text, v)
			}
		})
	case p.templates != nil && !isNull(p.templates):
		p.r.errorf(p.templates, "templates", "found %s, but it must map template names to their text", kindOf(p.templates))
	case p.template != nil && p.template.Kind == yaml.ScalarNode && !isNull(p.template) && p.template.Value != "" && p.templates == nil:
		c.Dialect = Classic
		c.Templates[ClassicTemplate] = p.template.Value
		c.TemplateOrigins[ClassicTemplate] = p.r.source.origin("template", string(p.r.source.Data), p.template)
		c.DefaultTemplates = []string{ClassicTemplate}
	default:
		p.r.errorf(top, "templates", "no template is given: set templates to a map from template names to their text, or, in the classic dialect, template to a non-empty string")
	}
}

func (p *injectParser) finish() {
	c := p.c
	switch c.Policy {
	case PolicyEnabled, PolicyDisabled:
	case "":
		p.r.errorf(p.policy, "policy", `is not set, must be "enabled" or "disabled"`)
	default:
		p.r.errorf(p.policy, "policy", `invalid value %s, must be "enabled" or "disabled"`, shown("%.60q", c.Policy))
	}
	if c.Dialect == Classic && c.AllowedOverrides != nil {
		p.r.errorf(p.overrides, "allowedOverrides", "has no meaning in the classic dialect, where a pod cannot declare an injected container: remove it")
	}
	if c.Dialect == Classic || len(c.Templates) == 0 {
		return
	}
	for i, name := range c.DefaultTemplates {
		p.defined(fmt.Sprintf("defaultTemplates[%d]", i), name, p.defaults.Content[i])
	}
	if len(c.DefaultTemplates) == 0 {
		c.DefaultTemplates = []string{defaultTemplate}
		if _, ok := c.Templates[defaultTemplate]; !ok && c.Aliases[defaultTemplate] == nil {
			p.r.notef(nil, "defaultTemplates", "is not set and there is no template named %q: pods that name no template will be refused; templates are %s", defaultTemplate, names(c.Templates))
		}
	}
	for alias, list := range c.Aliases {
		for i, name := range list {
			if _, ok := c.Templates[name]; !ok {
				p.r.notef(p.r.nodes["aliases."+alias].Content[i], fmt.Sprintf("aliases.%s[%d]", alias, i), "there is no template named %s: pods that use this alias will be refused; templates are %s", shown("%.100q", name), names(c.Templates))
			}
		}
	}
	slices.SortStableFunc(p.r.notes, func(a, b *Error) int { return strings.Compare(a.Field, b.Field) })
}

// defined checks a name in defaultTemplates, because every pod depends on it.
func (p *injectParser) defined(field, name string, n *yaml.Node) {
	if _, ok := p.c.Aliases[name]; ok {
		return
	}
	if _, ok := p.c.Templates[name]; !ok {
		p.r.errorf(n, field, "there is no template named %s; templates are %s", shown("%.100q", name), names(p.c.Templates))
	}
}

func (p *injectParser) text(field string, k, v *yaml.Node) string {
	if isNull(v) {
		return ""
	}
	if v.Kind != yaml.ScalarNode {
		p.r.errorf(k, field, "found %s, but it must be a string", kindOf(v))
		return ""
	}
	return v.Value
}

func (p *injectParser) list(field string, k, v *yaml.Node) []string {
	if isNull(v) {
		return nil
	}
	if v.Kind != yaml.SequenceNode {
		p.r.errorf(where(k, v), field, "found %s, but it must be a list of names", kindOf(v))
		return nil
	}
	var out []string
	for i, item := range v.Content {
		item = resolve(item)
		out = append(out, p.text(fmt.Sprintf("%s[%d]", field, i), item, item))
	}
	return out
}

func (p *injectParser) mapping(field string, k, v *yaml.Node, f func(name string, k, v *yaml.Node)) {
	if isNull(v) {
		return
	}
	if v.Kind != yaml.MappingNode {
		p.r.errorf(where(k, v), field, "found %s, but it must be a mapping", kindOf(v))
		return
	}
	pairs(v, field+".", p.r, f)
}

func (p *injectParser) selectors(field string, k, v *yaml.Node) []metav1.LabelSelector {
	if isNull(v) {
		return nil
	}
	if v.Kind != yaml.SequenceNode {
		p.r.errorf(where(k, v), field, "found %s, but it must be a list of label selectors", kindOf(v))
		return nil
	}
	out := make([]metav1.LabelSelector, len(v.Content))
	for i, item := range v.Content {
		if err := decodeSelector(resolve(item), &out[i]); err != nil {
			p.r.errorf(item, fmt.Sprintf("%s[%d]", field, i), "not a label selector%s", given{fmt.Sprintf(": %.300v", err), ""})
		}
	}
	return out
}

func decodeSelector(n *yaml.Node, into *metav1.LabelSelector) error {
	if isNull(n) {
		return nil
	}
	text, err := toJSON(n)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	_, err = metav1.LabelSelectorAsSelector(into)
	return err
}

func names[V any](m map[string]V) string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	if more := len(out) - maxListed; more > 0 {
		return fmt.Sprintf("%s and %d more", cut.Line(strings.Join(out[:maxListed], ", "), maxField), more)
	}
	return cut.Line(strings.Join(out, ", "), maxField)
}

// maxListed is how many names a message lists.
const maxListed = 20
