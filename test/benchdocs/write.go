package benchdocs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

// Recorded is every figure that there is; nil where none was recorded.
type Recorded struct {
	Requests *figures.Requests
	Memory   *figures.Memory
	Cluster  *figures.Cluster
	JSON     []figures.JSONCost
}

// The documents, and the folder of figures and plots, below the repository's root.
const (
	folder      = "docs/performance"
	performance = "docs/performance.md"
	decision    = "docs/decisions/0002-json.md"
)

// Write makes everything anew below root and returns the names of the files that
// it wrote.
func Write(root string) ([]string, error) {
	r, err := read(filepath.Join(root, folder))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	if err := r.plots(files); err != nil {
		return nil, err
	}
	for _, document := range []string{performance, decision} {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			return nil, err
		}
		if files[document], err = fill(text, r.tables()); err != nil {
			return nil, fmt.Errorf("%s: %w", document, err)
		}
	}
	var names []string
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(root, name), data, 0o644); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func read(dir string) (Recorded, error) {
	var r Recorded
	r.Requests, r.Memory, r.Cluster = new(figures.Requests), new(figures.Memory), new(figures.Cluster)
	var errs []error
	load := func(name string, into any, absent func()) {
		err := figures.Read(filepath.Join(dir, name), into)
		if errors.Is(err, fs.ErrNotExist) {
			absent()
			err = nil
		}
		errs = append(errs, err)
	}
	load("request.json", r.Requests, func() { r.Requests = nil })
	load("memory.json", r.Memory, func() { r.Memory = nil })
	load("cluster.json", r.Cluster, func() { r.Cluster = nil })
	load("json.json", &r.JSON, func() {})
	return r, errors.Join(errs...)
}

// fill replaces what stands between <!-- name --> and <!-- /name --> by the table
// of that name. A document must have no marks of tables that there are not.
func fill(text []byte, tables map[string]string) ([]byte, error) {
	for name, table := range tables {
		begin, end := fmt.Appendf(nil, "<!-- %s -->\n", name), fmt.Appendf(nil, "<!-- /%s -->", name)
		before, rest, ok := bytes.Cut(text, begin)
		if !ok {
			continue
		}
		_, after, ok := bytes.Cut(rest, end)
		if !ok {
			return nil, fmt.Errorf("mark %s has no end", bytes.TrimSpace(begin))
		}
		text = bytes.Join([][]byte{before, begin, []byte(table), end, after}, nil)
	}
	return text, nil
}
