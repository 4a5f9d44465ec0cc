package arch

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport says which packages of this project a package may import. A package
// that lies below another shares its line. ARCHITECTURE.md has the same packages
// by layer; a package that has no line in both fails a test, so that nobody adds
// one without deciding its place.
var mayImport = map[string][]string{
	// pure
	"pkg/config":      {"internal/aliases", "internal/cut", "internal/nearest", "internal/yamlerror"},
	"pkg/decide":      {"internal/cut"},
	"pkg/podmodel":    {"internal/podschema", "internal/quantity"},
	"pkg/merge":       {"internal/aliases", "internal/podschema", "internal/quantity", "internal/yamlerror", "pkg/podmodel"},
	"pkg/patch":       {"internal/podschema", "pkg/podmodel"},
	"pkg/status":      {"pkg/podmodel"},
	"pkg/render":      {"internal/nearest", "pkg/config", "pkg/render/internal/functions", "pkg/render/internal/partial"},
	"pkg/annotations": {"internal/cut", "internal/quantity"},
	"pkg/proxy":       {"internal/cut", "pkg/annotations", "pkg/podmodel"},
	"pkg/classic":     {"internal/aliases", "internal/quantity", "internal/yamlerror", "pkg/podmodel", "pkg/proxy"},

	// parts of render; sample is data for their tests
	"pkg/render/internal/functions": {"pkg/config"},
	"pkg/render/internal/partial":   {"pkg/render/internal/functions"},
	"pkg/render/internal/sample":    {"pkg/config", "pkg/render"},

	// engine
	"pkg/inject": {"internal/aliases", "internal/cut", "internal/nearest", "internal/podcheck", "internal/podschema", "internal/quantity", "internal/yamlerror", "internal/yamlpath", "pkg/annotations", "pkg/classic", "pkg/config", "pkg/decide", "pkg/merge", "pkg/patch", "pkg/podmodel", "pkg/proxy", "pkg/render", "pkg/status"},

	// users of the engine
	"pkg/admission": {"internal/cut", "internal/fair", "pkg/decide", "pkg/inject"},
	"pkg/workload":  {"pkg/config", "pkg/decide", "pkg/inject"},

	// around it
	"pkg/server":     {"internal/cut", "internal/fair", "internal/trouble"},
	"pkg/reload":     {},
	"pkg/health":     {},
	"pkg/metrics":    {},
	"pkg/pki":        {},
	"pkg/certs":      {"internal/bounded", "internal/control", "internal/kube", "internal/trouble", "pkg/pki"},
	"pkg/webhookcfg": {"internal/control", "internal/kube", "internal/trouble", "pkg/pki"},

	// parts of the server
	"internal/clientauth":  {"internal/bounded", "internal/cut", "internal/rungroup", "pkg/pki", "pkg/reload"},
	"internal/clusterinfo": {"internal/follower", "internal/kube", "internal/trouble"},
	"internal/guard":       {"internal/source", "pkg/admission", "pkg/config", "pkg/decide", "pkg/inject"},
	"internal/serve": {
		"internal/buildinfo", "internal/clientauth", "internal/clusterinfo", "internal/follower", "internal/guard", "internal/kube", "internal/lastgood", "internal/rungroup",
		"internal/servingcert", "internal/source", "internal/trouble", "pkg/admission", "pkg/certs", "pkg/decide", "pkg/health", "pkg/inject", "pkg/metrics", "pkg/server",
	},
	"internal/servingcert": {"internal/kube", "internal/rungroup", "pkg/certs", "pkg/metrics", "pkg/pki", "pkg/reload", "pkg/webhookcfg"},
	"internal/lastgood":    {"internal/bounded", "internal/control", "internal/cut", "internal/kube", "internal/trouble"},
	"internal/source":      {"internal/bounded", "internal/cut", "internal/follower", "internal/kube", "internal/lastgood", "internal/rungroup", "internal/trouble", "pkg/config", "pkg/inject", "pkg/reload"},

	// parts of programs
	"internal/cli":         {},
	"internal/dryrun":      {"internal/podschema", "pkg/inject"},
	"internal/injectcheck": {},
	"internal/memlimit":    {},

	// shared by them
	"internal/aliases":   {},
	"internal/bounded":   {},
	"internal/buildinfo": {},
	"internal/control":   {"internal/kube", "internal/trouble"},
	"internal/cut":       {},
	"internal/fair":      {},
	"internal/follower":  {"internal/kube", "internal/trouble"},
	"internal/hook":      {},
	"internal/kube":      {},
	"internal/nearest":   {},
	"internal/podcheck":  {"internal/nearest"},
	"internal/podschema": {},
	"internal/quantity":  {"internal/cut"},
	"internal/rungroup":  {},
	"internal/trouble":   {},
	"internal/yamlerror": {"internal/cut"},
	"internal/yamlpath":  {},

	// for tests
	"internal/arch":        {},
	"internal/conformance": {"pkg/config"},
	"internal/docs":        {},
	"internal/lab":         {},
	"internal/podgen":      {"internal/podschema"},
}

// onlyIn says which packages of this project may import, directly, packages of
// others.
var onlyIn = map[string][]string{
	"github.com/cloudflare/cfssl":            {"pkg/pki"},
	"github.com/prometheus/client_golang":    {"pkg/metrics"},
	"github.com/fsnotify/fsnotify":           {"pkg/reload"},
	"k8s.io/client-go":                       {"internal/kube", "internal/lab"},
	"helm.sh/helm":                           {},
	"github.com/spf13/cobra":                 {"internal/cli"},
	"k8s.io/cli-runtime":                     {},
	"github.com/google/go-containerregistry": {},
}

// mustNotLink says what a program or package must not link, however many packages
// are between. Of client-go that is all that knows every API group, or links what
// does.
var mustNotLink = map[string][]string{
	"cmd/sidecar-injector": {"helm.sh/helm", "k8s.io/cli-runtime", "k8s.io/kubectl", "k8s.io/client-go/kubernetes", "k8s.io/client-go/gentype", "k8s.io/client-go/applyconfigurations", "k8s.io/client-go/informers", "github.com/google/go-containerregistry", "testing "},
	"cmd/cert-bootstrap":   {"helm.sh/helm", "k8s.io/cli-runtime", "k8s.io/kubectl", "k8s.io/client-go/kubernetes", "k8s.io/client-go/gentype", "k8s.io/client-go/applyconfigurations", "k8s.io/client-go/informers", "github.com/prometheus/client_golang", "istio.io/api", "testing "},
	"pkg/inject":           {"k8s.io/client-go", "github.com/prometheus", "github.com/cloudflare/cfssl", "helm.sh/helm"},
	"pkg/workload":         {"k8s.io/client-go", "github.com/prometheus", "helm.sh/helm"},
}

func TestImportsGoOneWay(t *testing.T) {
	exists := map[string]bool{}
	for _, p := range list(t, "./pkg/...", "./internal/...") {
		place := placeOf(p.ImportPath)
		exists[place] = true
		if place == "" {
			t.Errorf("%s has no line in mayImport: decide its place in the architecture", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			ours, ok := strings.CutPrefix(i, module)
			if to := placeOf(ours); ok && to != place && !slices.Contains(mayImport[place], to) {
				t.Errorf("%s imports %s, but it may import only %q", p.ImportPath, ours, mayImport[place])
			}
		}
	}
	for p, imports := range mayImport {
		for _, name := range append([]string{p}, imports...) {
			if !exists[name] {
				t.Errorf("mayImport[%q]: there is no package %s", p, name)
			}
		}
	}
}

func TestOtherPeoplesPackages(t *testing.T) {
	packages := list(t, "./pkg/...", "./internal/...")
	for _, p := range packages {
		for _, i := range p.Imports {
			for other, allowed := range onlyIn {
				if within(i, other) && !slices.Contains(allowed, placeOf(p.ImportPath)) {
					t.Errorf("%s imports %s, which only %q may", p.ImportPath, i, allowed)
				}
			}
		}
	}
	for other, allowed := range onlyIn {
		for _, a := range allowed {
			if !slices.ContainsFunc(packages, func(p listed) bool {
				return placeOf(p.ImportPath) == a && slices.ContainsFunc(p.Imports, func(i string) bool { return within(i, other) })
			}) {
				t.Errorf("onlyIn[%q] allows %s, which does not import it", other, a)
			}
		}
	}
}

func TestWhatProgramsLink(t *testing.T) {
	for name, forbidden := range mustNotLink {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Errorf("mustNotLink[%q]: %v", name, err)
			continue
		}
		for _, d := range list(t, "./"+name)[0].Deps {
			for _, f := range forbidden {
				if within(d, f) {
					t.Errorf("%s links %s", name, d)
				}
			}
		}
	}
}

// TestRulesCanFail makes sure that the rules above find what they are for.
func TestRulesCanFail(t *testing.T) {
	for _, c := range []struct {
		path, above string
		want        bool
	}{
		{"helm.sh/helm/v3/pkg/action", "helm.sh/helm", true},
		{"helm.sh/helmet", "helm.sh/helm", false},
		{"k8s.io/client-go/kubernetes/scheme", "k8s.io/client-go/kubernetes ", false},
		{"k8s.io/client-go/kubernetes", "k8s.io/client-go/kubernetes ", true},
	} {
		if got := within(c.path, c.above); got != c.want {
			t.Errorf("within(%q, %q) = %v", c.path, c.above, got)
		}
	}
	for of, want := range map[string]string{
		"pkg/render": "pkg/render", "pkg/render/internal/x": "pkg/render", "pkg/renderer": "", "pkg": "", "cmd/kubectl-sidecar": "",
	} {
		if got := placeOf(of); got != want {
			t.Errorf("placeOf(%q) = %q", of, got)
		}
	}
	server := list(t, "./cmd/sidecar-injector")[0]
	if !slices.ContainsFunc(server.Deps, func(d string) bool { return within(d, module+"pkg/inject") }) {
		t.Errorf("%s does not link the engine: the list of dependencies is not what it should be", path.Base(server.ImportPath))
	}
}
