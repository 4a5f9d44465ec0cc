// Package arch holds the project's architecture as a test: who may import whom.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sidecar-injector/istio-sidecar-injector/"

// mayImport says which packages of this project a package imports, at most.
// Imports go one way: what is listed stands below. A package of pkg/ that has
// no line here fails the test, so that nobody adds one without a thought about
// its place.
//
//	pure       annotations config decide merge patch status: types of Kubernetes and
//	           the mesh; render: config's types, too; proxy and classic: of the others,
//	           only what stands below them here
//	engine     inject composes them
//	users      admission, workload use the engine
//	around     server, reload, health, metrics, pki, certs, webhookcfg do not know it
//	programs   cmd wires
var mayImport = map[string][]string{
	"pkg/config":      {},
	"pkg/decide":      {},
	"pkg/merge":       {"internal/podschema"},
	"pkg/patch":       {"internal/podschema"},
	"pkg/status":      {},
	"pkg/render":      {"pkg/config"},
	"pkg/annotations": {},
	"pkg/proxy":       {"pkg/annotations"},
	"pkg/classic":     {"pkg/proxy"},

	"pkg/inject": {"pkg/annotations", "pkg/classic", "pkg/config", "pkg/decide", "pkg/merge", "pkg/patch", "pkg/proxy", "pkg/render", "pkg/status"},

	"pkg/admission": {"pkg/decide", "pkg/inject"},
	"pkg/workload":  {"pkg/config", "pkg/decide", "pkg/inject"},

	"pkg/server":     {},
	"pkg/reload":     {},
	"pkg/health":     {},
	"pkg/metrics":    {},
	"pkg/pki":        {},
	"pkg/certs":      {"internal/control", "internal/kube", "internal/trouble", "pkg/pki"},
	"pkg/webhookcfg": {"internal/control", "internal/kube", "internal/trouble", "pkg/pki"},
}

// onlyIn says who may import, directly, packages of other people.
var onlyIn = map[string][]string{
	"github.com/cloudflare/cfssl":            {"pkg/pki"},
	"github.com/prometheus/client_golang":    {"pkg/metrics"},
	"github.com/fsnotify/fsnotify":           {"pkg/reload"},
	"k8s.io/client-go":                       {"internal/kube"},
	"helm.sh/helm":                           {},
	"github.com/spf13/cobra":                 {},
	"k8s.io/cli-runtime":                     {},
	"github.com/google/go-containerregistry": {},
}

// links says what a program must not link, however many packages are between.
// Of client-go that is all that knows every API group, or links what does.
var links = map[string][]string{
	"cmd/sidecar-injector": {"helm.sh/helm", "k8s.io/cli-runtime", "k8s.io/kubectl", "k8s.io/client-go/kubernetes", "k8s.io/client-go/gentype", "k8s.io/client-go/applyconfigurations", "k8s.io/client-go/informers", "github.com/google/go-containerregistry", "testing "},
	"cmd/cert-bootstrap":   {"helm.sh/helm", "k8s.io/cli-runtime", "k8s.io/kubectl", "k8s.io/client-go/kubernetes", "k8s.io/client-go/gentype", "k8s.io/client-go/applyconfigurations", "k8s.io/client-go/informers", "github.com/prometheus/client_golang", "istio.io/api", "testing "},
	"pkg/inject":           {"k8s.io/client-go", "github.com/prometheus", "github.com/cloudflare/cfssl", "helm.sh/helm"},
	"pkg/workload":         {"k8s.io/client-go", "github.com/prometheus", "helm.sh/helm"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// list asks the go command about packages.
func list(t *testing.T, patterns ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Imports,Deps"}, patterns...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
}

// within reports whether an import path is root or below it. A root that ends in
// a space means that package alone.
func within(importPath, root string) bool {
	if alone, ok := strings.CutSuffix(root, " "); ok {
		return importPath == alone
	}
	rest, ok := strings.CutPrefix(importPath, root)
	return ok && (rest == "" || rest[0] == '/')
}

func TestImportsGoOneWay(t *testing.T) {
	exists := map[string]bool{}
	for _, p := range list(t, "./pkg/...", "./internal/...") {
		exists[p.ImportPath] = true
		if !strings.HasPrefix(p.ImportPath, "pkg/") {
			continue
		}
		allowed, known := mayImport[p.ImportPath]
		if !known {
			t.Errorf("%s has no line in mayImport: give it its place in the architecture", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which does not stand below it: it may import %q", p.ImportPath, ours, allowed)
			}
		}
	}
	named := slices.Collect(maps.Keys(mayImport))
	for _, rules := range []map[string][]string{mayImport, onlyIn} {
		for _, allowed := range rules {
			named = append(named, allowed...)
		}
	}
	for _, name := range named {
		if !exists[name] {
			t.Errorf("the rules name %s, which does not exist", name)
		}
	}
}

func TestOtherPeoplesPackages(t *testing.T) {
	for _, p := range list(t, "./pkg/...", "./internal/...") {
		if p.ImportPath == "internal/deps" || p.ImportPath == "internal/lab" { // tools of development
			continue
		}
		for _, i := range p.Imports {
			for root, allowed := range onlyIn {
				if within(i, root) && !slices.Contains(allowed, p.ImportPath) {
					t.Errorf("%s imports %s, which only %q may", p.ImportPath, i, allowed)
				}
			}
		}
	}
}

func TestWhatProgramsLink(t *testing.T) {
	var patterns []string
	for p := range links {
		patterns = append(patterns, "./"+p)
	}
	all := list(t, patterns...)
	if len(all) != len(links) {
		t.Errorf("%d packages found, want %d", len(all), len(links))
	}
	for _, p := range all {
		for _, d := range p.Deps {
			for _, root := range links[p.ImportPath] {
				if within(d, root) {
					t.Errorf("%s links %s", p.ImportPath, d)
				}
			}
		}
	}
}

// TestRulesCanFail makes sure that the rules above find what they are for.
func TestRulesCanFail(t *testing.T) {
	for _, c := range []struct {
		path, root string
		want       bool
	}{
		{"helm.sh/helm/v3/pkg/action", "helm.sh/helm", true},
		{"helm.sh/helmet", "helm.sh/helm", false},
		{"k8s.io/client-go/kubernetes/scheme", "k8s.io/client-go/kubernetes ", false},
		{"k8s.io/client-go/kubernetes", "k8s.io/client-go/kubernetes ", true},
	} {
		if got := within(c.path, c.root); got != c.want {
			t.Errorf("within(%q, %q) = %v", c.path, c.root, got)
		}
	}
	server := list(t, "./cmd/sidecar-injector")[0]
	if !slices.ContainsFunc(server.Deps, func(d string) bool { return within(d, module+"pkg/inject") }) {
		t.Errorf("%s does not link the engine: the list of dependencies is not what it should be", path.Base(server.ImportPath))
	}
}
