// Import-images brings image archives into containerd and prints the
// references of the images, one a line.
//
//	import-images SOCKET SNAPSHOTTER FILE...
//
// An archive is a tar file in the format of docker save or with an OCI layout,
// compressed or not.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
)

// The kubelet sees the images of this namespace.
const namespace = "k8s.io"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) < 4 {
		fmt.Fprintln(stderr, "usage: import-images SOCKET SNAPSHOTTER FILE...")
		return 2
	}
	client, err := containerd.New(args[1], containerd.WithDefaultNamespace(namespace))
	if err != nil {
		fmt.Fprintf(stderr, "cannot connect to containerd: %v\n", err)
		return 1
	}
	defer client.Close()
	for _, file := range args[3:] {
		references, err := load(ctx, client, args[2], file)
		if err != nil {
			fmt.Fprintf(stderr, "image archive %s: %v\n", file, err)
			return 1
		}
		for _, r := range references {
			fmt.Fprintln(stdout, r)
		}
	}
	return 0
}

func load(ctx context.Context, client *containerd.Client, snapshotter, file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tar, err := compression.DecompressStream(f)
	if err != nil {
		return nil, err
	}
	defer tar.Close()
	images, err := client.Import(ctx, tar, containerd.WithImageRefTranslator(fullReference), containerd.WithSkipMissing())
	if err != nil {
		return nil, err
	}
	var references []string
	for _, i := range images {
		image := containerd.NewImageWithPlatform(client, i, platforms.Default())
		if err := image.Unpack(ctx, snapshotter); err != nil {
			return nil, fmt.Errorf("cannot unpack %s: %w", i.Name, err)
		}
		references = append(references, i.Name)
	}
	if len(references) == 0 {
		return nil, fmt.Errorf("names no image: give it a name such as example.com/app:1 when saving it")
	}
	return references, nil
}

// fullReference makes what an OCI layout calls an image a full reference. Some
// tools write only the tag there, which names nothing.
func fullReference(name string) string {
	if !strings.ContainsAny(name, "/:") {
		return ""
	}
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return ""
	}
	return named.String()
}
