package main

import (
	"archive/tar"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const indexUsage = `usage: image index --ref REF [--out FILE.tar] [--push] ARCHIVE.tar...

Joins images of several architectures, archives that image wrote, under one name,
and writes them as an OCI layout in an archive, or pushes them with their index.
`

// runIndex returns the exit status, as run does.
func runIndex(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("image index", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, indexUsage); flags.PrintDefaults() }
	ref := flags.String("ref", "", "name and tag of the index")
	out := flags.String("out", "", "archive to write")
	push := flags.Bool("push", false, "push index and images to their registry")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "image: %v\n", err)
		return code
	}
	tag, err := name.NewTag(*ref)
	if err != nil {
		return fail(2, fmt.Errorf("--ref %q: %w", *ref, err))
	}
	if flags.NArg() == 0 {
		return fail(2, errors.New("no archives: give those of each architecture"))
	}
	if *out == "" && !*push {
		return fail(2, errors.New("nothing to do: give --out FILE.tar, --push, or both"))
	}
	index, err := joinArchives(flags.Args())
	if err != nil {
		return fail(1, err)
	}
	if *out != "" {
		if err := writeAtomic(*out, func(path string) error { return writeLayout(path, tag, index) }); err != nil {
			return fail(1, err)
		}
	}
	if *push {
		if err := remote.WriteIndex(tag, index, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fail(1, fmt.Errorf("push %s: %w", tag, err))
		}
	}
	digest, err := index.Digest()
	if err != nil {
		return fail(1, err)
	}
	fmt.Fprintf(stdout, "%s@%s\n", tag, digest)
	return 0
}

// joinArchives makes an index of the images, each under the platform that its
// own configuration names. Two of one platform are an error.
func joinArchives(paths []string) (v1.ImageIndex, error) {
	var index v1.ImageIndex = empty.Index
	seen := map[string]string{}
	for _, path := range paths {
		img, err := tarball.ImageFromPath(path, nil)
		if err != nil {
			return nil, fmt.Errorf("archive %s: %w", path, err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("archive %s: %w", path, err)
		}
		platform := config.Platform()
		if other := seen[platform.String()]; other != "" {
			return nil, fmt.Errorf("archives %s and %s are both for %s", other, path, platform)
		}
		seen[platform.String()] = path
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: platform},
		})
	}
	return index, nil
}

// writeLayout writes an OCI image layout as a tar archive. Equal images give
// equal bytes.
func writeLayout(path string, tag name.Tag, index v1.ImageIndex) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), "layout.*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	named := layout.WithAnnotations(map[string]string{
		// What containerd and skopeo take the name and the tag from.
		"io.containerd.image.name":          tag.String(),
		"org.opencontainers.image.ref.name": tag.TagStr(),
	})
	if err := l.AppendIndex(index, named); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(tarFolder(f, dir), f.Close())
}

// tarFolder writes the folder's files in order of their names, all of the epoch.
func tarFolder(out io.Writer, dir string) error {
	w := tar.NewWriter(out)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(0, 0)})
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	return errors.Join(err, w.Close())
}
