// Package parts builds the programs a cluster consists of, each from a Go
// module with pinned versions, and keeps what it built.
//
// A result is kept under a name that holds a hash of all that went into it, so
// that whatever is there under the right name can be used as it is.
package parts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Versions of what is built, for the stamp in the programs and for messages;
// the go.mod files of the parts decide.
const (
	Kubernetes = "v1.36.3"
	Containerd = "v2.3.7"
	CNI        = "v1.9.1"
	CoreDNS    = "v1.15.0"
)

// A Part is one module to build.
type Part struct {
	Name    string
	Version string
	// Packages are what to build: folders, or "tool" for the tools in go.mod.
	Packages []string
	Tags     string
	LDFlags  string
	Files    []string // the programs that come out
}

// All lists the parts; the ones after the first are for a node.
func All() []Part {
	return []Part{
		{Name: "kubernetes", Version: Kubernetes, Packages: []string{"."}, Tags: "grpcnotrace", LDFlags: stamp(Kubernetes), Files: []string{"kubernetes"}},
		{
			Name: "containerd", Version: Containerd, Packages: []string{"tool", "./import-images"},
			Tags:  "no_btrfs,no_zfs,no_devmapper,netgo,osusergo",
			Files: []string{"containerd", "containerd-shim-runc-v2", "ctr", "import-images"},
		},
		{Name: "cni", Version: CNI, Packages: []string{"tool"}, Files: []string{"host-local", "loopback", "portmap", "ptp"}},
		{Name: "coredns", Version: CoreDNS, Packages: []string{"."}, Files: []string{"coredns"}},
		{Name: "pause", Version: "", Packages: []string{"."}, Files: []string{"pause"}},
	}
}

// String names the part and its version.
func (p Part) String() string { return strings.TrimSpace(p.Name + " " + p.Version) }

// stamp tells the server its version, which it cannot know otherwise.
func stamp(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			fmt.Sprintf("-X %s.gitVersion=%s", pkg, version),
			fmt.Sprintf("-X %s.gitMajor=%s", pkg, major),
			fmt.Sprintf("-X %s.gitMinor=%s", pkg, minor),
			fmt.Sprintf("-X %s.gitTreeState=clean", pkg))
	}
	return strings.Join(flags, " ")
}

// args of the go command that puts the programs into dir.
func (p Part) args(dir string) []string {
	args := []string{"build", "-trimpath", "-ldflags", strings.TrimSpace("-s -w " + p.LDFlags), "-o", dir + string(filepath.Separator)}
	if p.Tags != "" {
		args = append(args, "-tags", p.Tags)
	}
	return append(args, p.Packages...)
}

// key is a hash of the part's source files, the flags and the compiler.
func (p Part) key(source fs.FS, goVersion, goArch string) (string, error) {
	contents := map[string][]byte{}
	err := fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		contents[path], err = fs.ReadFile(source, path)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("cannot read the sources of %s: %w", p.Name, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q\n%q\n%q\n", goVersion, goArch, p.args(""))
	for _, path := range slices.Sorted(maps.Keys(contents)) {
		fmt.Fprintf(h, "%q %d\n%s\n", path, len(contents[path]), contents[path])
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// complete says whether dir holds all of the part's programs.
func (p Part) complete(dir string) bool {
	for _, f := range p.Files {
		if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
			return false
		}
	}
	return true
}
