package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// KubeconfigEnv names the variable that gives tests a cluster of the user's
// own. Without it they start an embedded one.
const KubeconfigEnv = "LAB_KUBECONFIG"

// StartCluster starts the embedded cluster of that name and connects to it.
// The returned function removes the cluster again. With LAB_KUBECONFIG set it
// connects there instead, and removes nothing.
func StartCluster(ctx context.Context, root, name string, progress io.Writer, flags ...string) (*Lab, func() error, error) {
	if given := os.Getenv(KubeconfigEnv); given != "" {
		l, err := Connect(root, given)
		return l, func() error { return nil }, err
	}
	program := clusterProgram(root)
	command := func(ctx context.Context, verb string, more ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, append([]string{verb, "--name", name}, more...)...)
		cmd.Stdout, cmd.Stderr = progress, progress
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		return cmd
	}
	down := func() error {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return command(bounded, "down").Run()
	}
	if err := command(ctx, "up", flags...).Run(); err != nil {
		return nil, nil, fmt.Errorf("%s up: %w", program, err)
	}
	var path bytes.Buffer
	show := command(ctx, "kubeconfig")
	show.Stdout = &path
	if err := show.Run(); err != nil {
		return nil, nil, fmt.Errorf("%s kubeconfig: %w", program, err)
	}
	l, err := Connect(root, strings.TrimSpace(path.String()))
	return l, down, err
}

// StartNode is StartCluster with a node and the images that `make image` made, and
// more archives in bin/images.
func StartNode(ctx context.Context, root, name string, progress io.Writer, more ...string) (*Lab, func() error, error) {
	l, down, err := StartCluster(ctx, root, name, progress)
	if err != nil {
		return nil, nil, err
	}
	var archives []string
	for _, archive := range append([]string{"sidecar_injector.tar", "demo.tar"}, more...) {
		archives = append(archives, filepath.Join(root, "bin", "images", archive))
	}
	if err := loadImages(ctx, root, name, progress, archives...); err != nil {
		return nil, nil, errors.Join(err, down())
	}
	return l, down, nil
}

func clusterProgram(root string) string {
	return filepath.Join(root, "scripts", "cluster", "embedded-cluster")
}

// HostAddress is the address at which the embedded cluster of that name reaches
// programs of this machine.
func HostAddress(ctx context.Context, root, name string) (string, error) {
	out, err := exec.CommandContext(ctx, clusterProgram(root), "status", "--name", name, "-o", "json").Output()
	if err != nil {
		return "", fmt.Errorf("status of cluster %s: %w", name, err)
	}
	var status struct {
		HostAddress string `json:"hostAddress"`
	}
	if err := json.Unmarshal(out, &status); err != nil {
		return "", fmt.Errorf("status of cluster %s: %w", name, err)
	}
	return status.HostAddress, nil
}

// loadImages puts image archives into the embedded cluster of that name.
func loadImages(ctx context.Context, root, name string, progress io.Writer, archives ...string) error {
	if os.Getenv(KubeconfigEnv) != "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, clusterProgram(root), append([]string{"load-image", "--name", name}, archives...)...)
	cmd.Stdout, cmd.Stderr = progress, progress
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("load images %s: %w", strings.Join(archives, ", "), err)
	}
	return nil
}
