// Package buildinfo says which build a program is, from what the Go toolchain
// stamps into it.
package buildinfo

import (
	"fmt"
	"runtime/debug"
)

// Info identifies a build.
type Info struct {
	// Version is the module's version, or "devel" when built from no known one.
	Version string `json:"version"`
	// Revision is the commit, with "-dirty" when it was built from changed files;
	// empty when not known.
	Revision string `json:"revision,omitempty"`
	// GoVersion is the toolchain's.
	GoVersion string `json:"goVersion"`
}

// Read returns what is known about the running program. version is what the
// linker was told; when empty, the toolchain's stamp counts.
func Read(version string) Info {
	info := Info{Version: "devel", GoVersion: "unknown"}
	if b, ok := debug.ReadBuildInfo(); ok {
		info = from(b)
	}
	if version != "" {
		info.Version = version
	}
	return info
}

func from(b *debug.BuildInfo) Info {
	info := Info{Version: b.Main.Version, GoVersion: b.GoVersion}
	if info.Version == "" || info.Version == "(devel)" {
		info.Version = "devel"
	}
	dirty := false
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Revision = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && info.Revision != "" {
		info.Revision += "-dirty"
	}
	return info
}

func (i Info) String() string {
	if i.Revision == "" {
		return fmt.Sprintf("%s (%s)", i.Version, i.GoVersion)
	}
	return fmt.Sprintf("%s (%s, %s)", i.Version, i.Revision, i.GoVersion)
}
