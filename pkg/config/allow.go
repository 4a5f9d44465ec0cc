package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// AllowList is a list of names of which some end in *, which stands for any rest.
// Nil allows every name; an empty one allows none.
type AllowList []string

// Allows reports whether the list has the name.
func (l AllowList) Allows(name string) bool {
	if l == nil {
		return true
	}
	for _, allowed := range l {
		if prefix, ok := strings.CutSuffix(allowed, "*"); ok && strings.HasPrefix(name, prefix) || allowed == name {
			return true
		}
	}
	return false
}

// String names what is allowed, for messages.
func (l AllowList) String() string {
	switch {
	case l == nil:
		return "all"
	case len(l) == 0:
		return "none"
	}
	return strings.Join(l, ", ")
}

// allowList reads an AllowList. A list that is there and empty allows nothing.
func (p *injectParser) allowList(field string, k, v *yaml.Node) AllowList {
	if isNull(v) {
		return nil
	}
	out := AllowList{}
	for i, name := range p.list(field, k, v) {
		if stars := strings.Count(name, "*"); name == "" || stars > 1 || stars == 1 && !strings.HasSuffix(name, "*") {
			p.r.errorf(v.Content[i], fmt.Sprintf("%s[%d]", field, i), "invalid value %s, must be a name, or the beginning of names with a * at its end", shown("%.60q", name))
		}
		out = append(out, name)
	}
	return out
}
