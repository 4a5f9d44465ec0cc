//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/docs"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

const (
	// documentedLimit is how long one command may take.
	documentedLimit = 3 * time.Minute
	// settled is how long what it shows may take to come: controllers make pods later.
	settled = 30 * time.Second
)

// TestDocuments runs the commands that the documents show and that need a cluster, from
// top to bottom, as a reader would, and compares what they print with what is shown.
func TestDocuments(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	ran := 0
	for _, name := range []string{"README.md", "docs/templates.md"} {
		document, err := docs.Read(cluster.Root, name)
		if err != nil {
			t.Fatal(err)
		}
		r := newReader(t, document)
		for _, c := range document.Commands {
			switch {
			case c.Kind() == docs.Cluster:
				r.follow(ctx, c)
			case c.Text == "make demo":
				// The cluster is there; the rest of the target is this program.
				c.Text = "demo --kubeconfig=" + cluster.Kubeconfig
				_, c.Output, _ = strings.Cut(c.Output, "\n\n") // without the line about the cluster
				c.Output = "...\n" + c.Output + "...\n"        // what an earlier run left is removed first
				r.follow(ctx, c)
			default:
				continue
			}
			ran++
		}
		r.cleanUp(ctx)
	}
	lab.Figure(t, fmt.Sprintf("e2e: commands of documents run %d", ran))
	if ran == 0 {
		t.Error("no command was run")
	}
}

// reader is somebody who follows a document.
type reader struct {
	*testing.T
	dir string
	env []string
}

// newReader is in a directory like the repository's root, with the document's files.
// The programs on the path are those of this checkout; helm installs the images that
// the cluster has, for there is no registry.
func newReader(t *testing.T, document docs.Document) *reader {
	t.Helper()
	r := &reader{T: t, dir: t.TempDir()}
	bin := filepath.Join(r.dir, "bin")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(bin, 0o755))
	for _, shared := range []string{"charts", "scripts"} {
		must(os.Symlink(filepath.Join(cluster.Root, shared), filepath.Join(r.dir, shared)))
	}
	for file, text := range document.Files {
		must(os.WriteFile(filepath.Join(r.dir, file), []byte(text), 0o600))
	}
	for name, script := range map[string]string{
		"helm": `case "$1" in install|upgrade) set -- "$@" --set image.hub=` + hub + ` --set image.tag=` + tag + `;; esac
exec ` + cluster.Root + `/bin/helm "$@"`,
		"kubectl": `if [ "$1" = sidecar ]; then shift; exec ` + cluster.Root + `/bin/kubectl-sidecar "$@"; fi
exec ` + cluster.Root + `/scripts/cluster/embedded-cluster kubectl --name e2e -- "$@"`,
	} {
		must(os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	// The demo finds helm in bin/ below where it is run.
	must(os.Symlink(filepath.Join(cluster.Root, "bin", "demo"), filepath.Join(bin, "demo")))
	r.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "KUBECONFIG="+cluster.Kubeconfig)
	return r
}

// follow types the command, again while what it prints is not yet what is shown.
func (r *reader) follow(ctx context.Context, c docs.Command) {
	r.Helper()
	shown := docs.Command{Output: masked(c.Output)}
	for deadline := time.Now().Add(settled); ; time.Sleep(500 * time.Millisecond) {
		out, err := r.run(ctx, c.Text)
		if err == nil && (c.Output == "" || shown.Shows(masked(out))) {
			return
		}
		// Only asking may be done again.
		if again := c.Output != "" && strings.Contains(c.Text, " get "); !again || time.Now().After(deadline) {
			r.Fatalf("%s\n%v, prints\n%s", c, err, out)
		}
	}
}

func (r *reader) run(ctx context.Context, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, documentedLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", text)
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var (
	seconds = regexp.MustCompile(` +\d+\.\d s`)
	podName = regexp.MustCompile(`hello-[0-9a-z]+-[0-9a-z]{5}\b`)
)

// masked is an output without what differs from one run to the next.
func masked(out string) string {
	return podName.ReplaceAllString(seconds.ReplaceAllString(out, " N s"), "hello-POD")
}

// cleanUp leaves the cluster to the next one.
func (r *reader) cleanUp(ctx context.Context) {
	for _, text := range []string{
		"helm uninstall " + release + " --namespace " + namespace + " --wait --ignore-not-found",
		"kubectl delete namespace shop sidecar-demo --ignore-not-found --wait",
	} {
		if out, err := r.run(ctx, text); err != nil {
			r.Errorf("%s: %v: %s", text, err, out)
		}
	}
}
