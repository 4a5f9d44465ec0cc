package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/cluster"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

func (r *run) cluster(ctx context.Context, args []string) error {
	p := cluster.Plan{Progress: r.stderr}
	r.flags.StringVar(&p.Program, "program", filepath.Join("bin", "sidecar-injector"), "the server's `binary`")
	r.flags.StringVar(&p.Name, "cluster", "bench", "`name` of the embedded cluster")
	r.flags.IntVar(&p.Rounds, "rounds", 30, "how many `times` each way has its turn")
	r.flags.IntVar(&p.PerTurn, "pods", 32, "`pods` created in a turn, but at least 8 for each client")
	r.flags.IntVar(&p.Restarts, "restarts", 6, "how `often` one of two replicas restarts; 0 leaves that part out")
	clients := r.flags.String("clients", "1,4,16", "`numbers` of clients, separated by commas")
	pod := r.flags.String("pod", "typical", "`name` of the pod: hello, typical or env2000")
	if err := r.parse(args); err != nil {
		return err
	}
	for _, text := range strings.Split(*clients, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return fmt.Errorf("-clients %q: must be numbers above 0, separated by commas", *clients)
		}
		p.Clients = append(p.Clients, n)
	}
	shapes, err := pods.Shapes(r.env[pods.FolderEnv])
	if err != nil {
		return err
	}
	shape, err := named(shapes, *pod)
	if err != nil {
		return err
	}
	p.Shape, p.Root = shape.Pod, r.root
	if p.Self, err = os.Executable(); err != nil {
		return err
	}
	machine := r.machine()
	f, err := p.Measure(ctx)
	if err != nil {
		return err
	}
	f.Machine, f.Pod = machine, shape.Name
	if err := cluster.Print(r.stdout, f); err != nil {
		return err
	}
	return r.save(f)
}

// answer is the webhook that the cluster benchmark compares with.
func (r *run) answer(ctx context.Context, args []string) error {
	folder := r.flags.String("folder", "", "`folder` with certificate and key")
	patch := r.flags.Bool("patch", false, "answer with a constant patch")
	if err := r.parse(args); err != nil {
		return err
	}
	return cluster.Answer(ctx, *folder, *patch, r.stderr)
}
