package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

const usage = `usage: image --ref REF [--out FILE.tar] [--push] [--entrypoint PATH] SOURCE:TARGET...

Packs the SOURCE files under their TARGET paths into an image that runs as an
unprivileged user, and writes it as an archive that containerd and Docker load,
or pushes it to its registry with the credentials of the Docker configuration.
"image index" joins the images of several architectures; see its --help.
`

// run returns the exit status: 0 done, 1 the image could not be made, 2 usage.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "index" {
		return runIndex(args[1:], stdout, stderr)
	}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage); flags.PrintDefaults() }
	ref := flags.String("ref", "", "name and tag of the image")
	out := flags.String("out", "", "archive to write")
	push := flags.Bool("push", false, "push the image to its registry")
	spec := Spec{}
	flags.StringVar(&spec.Entrypoint, "entrypoint", "", "program to start, a target path")
	flags.StringVar(&spec.Architecture, "arch", "amd64", "architecture of the binaries, as GOARCH")
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
	files, err := parseFiles(flags.Args())
	if err != nil {
		return fail(2, err)
	}
	spec.Files = files
	tag, err := name.NewTag(*ref)
	if err != nil {
		return fail(2, fmt.Errorf("--ref %q: %w", *ref, err))
	}
	if *out == "" && !*push {
		return fail(2, errors.New("nothing to do: give --out FILE.tar, --push, or both"))
	}
	img, err := Build(spec)
	if err != nil {
		return fail(1, err)
	}
	if *out != "" {
		if err := writeAtomic(*out, func(path string) error { return tarball.WriteToFile(path, tag, img) }); err != nil {
			return fail(1, err)
		}
	}
	if *push {
		if err := remote.Write(tag, img, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fail(1, fmt.Errorf("push %s: %w", tag, err))
		}
	}
	digest, err := img.Digest()
	if err != nil {
		return fail(1, err)
	}
	fmt.Fprintf(stdout, "%s@%s\n", tag, digest)
	return 0
}

func parseFiles(args []string) ([]File, error) {
	if len(args) == 0 {
		return nil, errors.New("no files: give SOURCE:TARGET at least once")
	}
	var files []File
	for _, arg := range args {
		source, target, ok := strings.Cut(arg, ":")
		if !ok || source == "" || !strings.HasPrefix(target, "/") {
			return nil, fmt.Errorf("file %q: want SOURCE:TARGET with an absolute TARGET", arg)
		}
		files = append(files, File{Source: source, Target: target})
	}
	return files, nil
}

// writeAtomic lets write fill a file beside path and then puts it in its place,
// so that an interrupted run never leaves half an archive behind.
func writeAtomic(path string, write func(string) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	if err := write(f.Name()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
