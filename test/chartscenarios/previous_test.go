//go:build e2e

package chartscenarios

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const chartPath = "charts/istio-sidecar-injector"

// previousChart is the chart of the newest release tag before this checkout.
// Before the first release there is none; then it is this checkout's chart under
// an older version number and with another pod template, which tries the way an
// upgrade goes but not the differences between two releases. The second result
// says which.
func previousChart(s *scenario) (path, which string) {
	s.Helper()
	dir := s.TempDir()
	if tag := releaseTag(s); tag != "" {
		archive, err := exec.CommandContext(s.ctx, "git", "-C", cluster.Root, "archive", tag, chartPath).Output()
		s.must(err)
		s.must(unpack(dir, archive))
		return filepath.Join(dir, chartPath), tag
	}
	path = filepath.Join(dir, "chart")
	s.must(os.CopyFS(path, os.DirFS(cluster.Chart())))
	replace(s, filepath.Join(path, "Chart.yaml"), "\nversion: ", "\nversion: 0.0.1-before+")
	replace(s, filepath.Join(path, "values.yaml"), "\nterminationGracePeriodSeconds: null", "\nterminationGracePeriodSeconds: 45")
	return path, "a synthesized 0.0.1, as nothing is released yet"
}

// releaseTag is the newest tag v* that does not point at this commit itself.
func releaseTag(s *scenario) string {
	out, err := exec.CommandContext(s.ctx, "git", "-C", cluster.Root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^").Output()
	if err != nil {
		return "" // no tag, or no history
	}
	return strings.TrimSpace(string(out))
}

func replace(s *scenario, file, old, with string) {
	s.Helper()
	text, err := os.ReadFile(file)
	s.must(err)
	if !bytes.Contains(text, []byte(old)) {
		s.Fatalf("%s holds no %q", file, old)
	}
	s.must(os.WriteFile(file, bytes.Replace(text, []byte(old), []byte(with), 1), 0o600))
}

func unpack(dir string, archive []byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch header.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(strings.TrimSuffix(header.Name, "/"), 0o755)
		case tar.TypeReg:
			var content []byte
			if content, err = io.ReadAll(r); err == nil {
				err = root.WriteFile(header.Name, content, 0o644)
			}
		}
		if err != nil {
			return err
		}
	}
}
