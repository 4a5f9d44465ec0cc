// Package mistakes tries what people do wrong in a configuration. Each file in testdata
// is one mistake, with the exact message that it gets: in full, for whoever has the
// configuration, and as a server says it to others. The place that a message names must
// be there, and hold what the file says after "at:".
package mistakes

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sidecar-injector/istio-sidecar-injector/cmd/kubectl-sidecar/app"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

var update = flag.Bool("update", false, "write the messages anew")

// least is how many mistakes there must be.
const least = 60

// mistake is one file of testdata.
type mistake struct {
	name, path string
	// at is the text that stands at the place of one of the errors.
	at    string
	files map[string]string
	// full and public are the messages.
	full, public string
	// chart is the path of the project's own chart.
	chart string
}

func read(t *testing.T, path string) *mistake {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := &mistake{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), path: path, files: map[string]string{}}
	if at, ok := strings.CutPrefix(strings.TrimSpace(string(archive.Comment)), "at: "); ok {
		m.at = at
	}
	for _, f := range archive.Files {
		switch f.Name {
		case "full":
			m.full = string(f.Data)
		case "public":
			m.public = string(f.Data)
		default:
			m.files[f.Name] = string(f.Data)
		}
	}
	return m
}

// write writes the file with other messages.
func (m *mistake) write(t *testing.T, full, public string) {
	t.Helper()
	archive, err := txtar.ParseFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	var files []txtar.File
	for _, f := range archive.Files {
		if f.Name != "full" && f.Name != "public" {
			files = append(files, f)
		}
	}
	files = append(files, txtar.File{Name: "full", Data: []byte(full)})
	if public != "" {
		files = append(files, txtar.File{Name: "public", Data: []byte(public)})
	}
	archive.Files = files
	if err := os.WriteFile(m.path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMistakes(t *testing.T) {
	folder, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	if err != nil || len(paths) < least {
		t.Fatalf("%d mistakes, must be %d at least: %v", len(paths), least, err)
	}
	exact := 0
	for _, path := range paths {
		m := read(t, path)
		m.chart = filepath.Join(folder, "../../../charts/istio-sidecar-injector")
		if t.Run(m.name, m.try) {
			exact++
		}
	}
	fmt.Printf("mistakes: %d, exact %d\n", len(paths), exact)
}

func (m *mistake) try(t *testing.T) {
	switch {
	case m.files["production.yaml"] != "":
		m.tryChart(t)
	case m.files["sidecar.yaml"] != "":
		m.tryTemplate(t)
	default:
		m.tryFiles(t)
	}
}

// tryFiles tries three files, as a server and as the command line do.
func (m *mistake) tryFiles(t *testing.T) {
	full, public := load(t, m.sources())
	m.check(t, full, public)
	args := []string{"--injectConfigFile", "inject.yaml", "--meshConfigFile", "mesh.yaml"}
	files := map[string]string{"mesh.yaml": ""}
	for name, text := range m.files {
		if files[name] = text; name == "values.yaml" {
			args = append(args, "--valuesFile", name)
		}
	}
	same(t, "by files", validate(t, files, args...), full)
	if len(m.files) == 1 && m.files["inject.yaml"] != "" && strings.TrimSpace(strings.TrimPrefix(m.files["inject.yaml"], "# nothing")) != "" {
		same(t, "by the chart", validate(t, m.files, "--chart", m.chart, "--set-file", "injectConfig.content=inject.yaml"), full)
	}
}

func (m *mistake) sources() config.Sources {
	source := func(name string) config.Source { return config.Source{Name: name, Data: []byte(m.files[name])} }
	return config.Sources{Inject: source("inject.yaml"), Mesh: source("mesh.yaml"), Values: source("values.yaml")}
}

// tryTemplate tries a template that a chart is given, in the ways in which it may be
// given, and as part of a file. The places differ by where it stands in the file.
func (m *mistake) tryTemplate(t *testing.T) {
	text := m.files["sidecar.yaml"]
	full := validate(t, m.files, "--chart", m.chart, "--set-file", "templates.sidecar=sidecar.yaml")
	inFile := "policy: enabled\nfieldValidation: Strict\ntemplates:\n  sidecar: |\n" + indented(text, "    ")
	said, public := load(t, config.Sources{Inject: config.Source{Name: "inject.yaml", Data: []byte(inFile)}})
	m.check(t, full, moved(public, "inject.yaml", "sidecar.yaml", -4, -4))
	same(t, "in a file", moved(said, "inject.yaml", "sidecar.yaml", -4, -4), full)
	production := "global: {}\ntemplates:\n  sidecar: |\n" + indented(text, "      ")
	byValues := validate(t, map[string]string{"production.yaml": production}, "--chart", m.chart, "--values", "production.yaml")
	same(t, "by values", moved(byValues, "production.yaml", "sidecar.yaml", -3, -6), full)
}

// tryChart tries values of the chart.
func (m *mistake) tryChart(t *testing.T) {
	m.check(t, validate(t, m.files, "--chart", m.chart, "--values", "production.yaml"), "")
}

func indented(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}

// load judges as a server does, and returns the messages.
func load(t *testing.T, sources config.Sources) (full, public string) {
	t.Helper()
	_, found := inject.Load(t.Context(), sources, inject.Options{})
	for i, warning := range found.Warnings {
		full += "warning: " + warning + "\n"
		public += "warning: " + found.PublicWarnings()[i] + "\n"
	}
	for _, err := range found.Errors {
		full += err.Error() + "\n"
		public += err.(interface{ Public() string }).Public() + "\n"
	}
	return full, public
}

// validate runs kubectl sidecar validate, and returns what it says.
func validate(t *testing.T, files map[string]string, args ...string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	status := app.Run(t.Context(), "test", append([]string{"validate"}, args...), nil, nil, &stdout, &stderr)
	failed := strings.Contains(stderr.String(), "kubectl-sidecar: ")
	if failed != (status == 1) || failed == (stdout.Len() > 0) {
		t.Errorf("exit status %d, output %q, errors:\n%s", status, &stdout, &stderr)
	}
	return regexp.MustCompile(`(?m)^kubectl-sidecar: `).ReplaceAllString(stderr.String(), "")
}

// check compares the messages with those of the file, and looks at the places that they
// name.
func (m *mistake) check(t *testing.T, full, public string) {
	t.Helper()
	if *update {
		m.write(t, full, public)
		m.full, m.public = full, public
	}
	if full != m.full {
		t.Errorf("said:\n%s\nwant:\n%s", full, m.full)
	}
	if public != m.public {
		t.Errorf("said to others:\n%s\nwant:\n%s", public, m.public)
	}
	if full == "" {
		t.Error("nothing is said")
	}
	found := m.at == ""
	for _, line := range strings.Split(full, "\n") {
		place := placed.FindStringSubmatch(line)
		if place == nil {
			continue
		}
		text, ok := m.files[place[1]]
		row, _ := strconv.Atoi(place[2])
		column, _ := strconv.Atoi(place[3])
		lines := strings.Split(text, "\n")
		if !ok || row < 1 || row > len(lines) || column < 1 || column > len([]rune(lines[row-1]))+1 {
			t.Errorf("there is no such place: %s", line)
			continue
		}
		found = found || strings.HasPrefix(string([]rune(lines[row-1])[column-1:]), m.at)
	}
	if !found {
		t.Errorf("no place is that of %q:\n%s", m.at, full)
	}
}

// placed matches a message that begins with a place.
var placed = regexp.MustCompile(`^(?:warning: )?([\w.-]+\.yaml):(\d+):(\d+): `)

// moved returns messages with the places of one file as those in another one, where the
// same text stands some lines and columns before.
func moved(text, file, other string, lines, columns int) string {
	return regexp.MustCompile(`(?m)^(warning: )?`+regexp.QuoteMeta(file)+`:(\d+):(\d+): `).ReplaceAllStringFunc(text, func(s string) string {
		m := regexp.MustCompile(`^(warning: )?.*:(\d+):(\d+): $`).FindStringSubmatch(s)
		line, _ := strconv.Atoi(m[2])
		column, _ := strconv.Atoi(m[3])
		return fmt.Sprintf("%s%s:%d:%d: ", m[1], other, line+lines, column+columns)
	})
}

// same compares messages. The command line says warnings of its own configuration first.
func same(t *testing.T, how, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s it is said:\n%s\nand else:\n%s", how, got, want)
	}
}
