package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// bill is a bill of materials to write.
type bill struct {
	name, version string
	created       time.Time
	programs      []string // paths of Go programs
}

type module struct {
	path, version, sum string
}

// write writes an SPDX 2.3 document in JSON, as registries and scanners read it,
// and returns how many modules it lists. Equal programs give equal documents.
func (b bill) write(path string) (int, error) {
	modules, digest, err := b.modules()
	if err != nil {
		return 0, err
	}
	root := &spdx.Package{
		PackageName: b.name, PackageSPDXIdentifier: "Package-root", PackageVersion: b.version,
		PackageDownloadLocation: "NOASSERTION", PackageLicenseConcluded: "Apache-2.0", PackageLicenseDeclared: "Apache-2.0",
		PackageCopyrightText: "NOASSERTION", PrimaryPackagePurpose: "CONTAINER",
	}
	document := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName:      b.name + "-" + b.version,
		DocumentNamespace: "https://github.com/sidecar-injector/istio-sidecar-injector/spdx/" + b.name + "-" + b.version + "-" + digest,
		CreationInfo: &spdx.CreationInfo{
			Created:  b.created.Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "istio-sidecar-injector-release"}},
		},
		Packages:      []*spdx.Package{root},
		Relationships: []*spdx.Relationship{relate("DOCUMENT", "DESCRIBES", root.PackageSPDXIdentifier)},
	}
	for i, m := range modules {
		p := m.describe(i)
		document.Packages = append(document.Packages, p)
		document.Relationships = append(document.Relationships, relate(root.PackageSPDXIdentifier, "CONTAINS", p.PackageSPDXIdentifier))
	}
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	if err := spdxjson.Write(document, f, spdxjson.Indent(" ")); err != nil {
		f.Close()
		return 0, fmt.Errorf("write %s: %w", path, err)
	}
	return len(modules), f.Close()
}

// modules are those of all programs, each once, and the digest of the programs.
func (b bill) modules() ([]module, string, error) {
	found := map[module]bool{}
	sum := sha256.New()
	for _, program := range b.programs {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return nil, "", fmt.Errorf("program %s: no build information, want a Go program: %w", program, err)
		}
		found[module{path: "stdlib", version: strings.TrimPrefix(info.GoVersion, "go")}] = true
		for _, dep := range info.Deps {
			if dep.Replace != nil {
				dep = dep.Replace
			}
			found[module{path: dep.Path, version: dep.Version, sum: dep.Sum}] = true
		}
		content, err := os.ReadFile(program)
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(sum, "%s %x\n", filepath.Base(program), sha256.Sum256(content))
	}
	sorted := slices.SortedFunc(maps.Keys(found), func(a, b module) int {
		return strings.Compare(a.path+"@"+a.version, b.path+"@"+b.version)
	})
	return sorted, hex.EncodeToString(sum.Sum(nil))[:16], nil
}

func (m module) describe(n int) *spdx.Package {
	p := &spdx.Package{
		PackageName: m.path, PackageSPDXIdentifier: common.ElementID(fmt.Sprintf("Package-go-%d", n)), PackageVersion: m.version,
		PackageDownloadLocation: "NOASSERTION", PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION",
		PackageCopyrightText: "NOASSERTION",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: "PACKAGE-MANAGER", RefType: "purl", Locator: "pkg:golang/" + m.path + "@" + m.version,
		}},
	}
	if m.sum != "" {
		// Go's own sum is over a list of files, so none of SPDX's kinds of checksum.
		p.PackageComment = "go.sum " + m.sum
	}
	return p
}

func relate(from common.ElementID, how string, to common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{
		RefA: common.MakeDocElementID("", string(from)), RefB: common.MakeDocElementID("", string(to)), Relationship: how,
	}
}
