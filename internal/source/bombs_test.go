package source

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// oneTemplate is a configuration with a template of this text in one line.
func oneTemplate(text string) string {
	return "policy: enabled\ntemplates:\n  sidecar: |\n    " + text + "\n"
}

func manyTemplates(n int, format string) string {
	var b strings.Builder
	b.WriteString("policy: enabled\ndefaultTemplates: [t0]\ntemplates:\n")
	for i := range n {
		fmt.Fprintf(&b, "  t%d: |\n    "+format+"\n", i, i)
	}
	return b.String()
}

// bombs are configurations that cost more than they look like: an injection
// configuration, and values. Those that want nothing are accepted.
func bombs() map[string]struct {
	config, values, want string
	slow                 bool
} {
	rep := strings.Repeat
	return map[string]struct {
		config, values, want string
		slow                 bool
	}{
		"20,000 templates":                {manyTemplates(20_000, "a: %d"), "", "20000 templates are more than the 200", false},
		"200 templates":                   {manyTemplates(200, "metadata: {annotations: {a: \"%d {{ .Values.global | toJson | sha256sum }}\"}}"), "", "", false},
		"200 templates unrolled":          {manyTemplates(200, "# %d {{ range until 64 }}{{ range until 64 }}{{ $.Spec.NodeName }}{{ end }}{{ end }}"), "", "", false},
		"constants that are kept":         {manyTemplates(200, "# {{ $x := repeat 400000 \"%d\" }}{{ if eq $x .Spec.NodeName }}x{{ end }}"), "", "", false},
		"expression over 300 KB":          {oneTemplate(`# {{ $x := repeat 300000 "a" }}{{ len (regexFindAll "a*b|a" $x -1) }}`), "", "exceeds a limit of what functions", false},
		"long expression over 300 KB":     {oneTemplate(`# {{ if regexMatch "(a?){900}(a?){900}$" "` + rep("a", 300_000) + `b" }}x{{ end }}`), "", "has 300042 bytes in its actions", false},
		"long expression over a constant": {oneTemplate(`# {{ if regexMatch "(a?){900}(a?){900}$" (print (repeat 300000 "a") "b") }}x{{ end }}`), "", "exceeds a limit of what functions", false},
		"rendered aliases":                {oneTemplate("{l0: &l0 [x,x], {{ range $i := until 40 }}l{{ add1 $i }}: &l{{ add1 $i }} [*l{{ $i }} ,*l{{ $i }} ], {{ end }}z: 1}"), "", "renders what is not part of a pod: its values expand to more than", false},
		"rendered aliases of a long text": {oneTemplate(`{a: &a "{{ repeat 300000 "x" }}", b: [{{ repeat 100000 "*a ," }}1]}`), "", "renders what is not part of a pod: its values expand to more than", false},
		"rendered aliases, classic":       {"policy: enabled\ntemplate: |\n  a: &a \"[[ printf \"%0999d\" 1 ]]\"\n  volumes: [" + rep("*a ,", 30_000) + "]\n", "", "renders what is not part of a pod: its values expand to more than", false},
		"repeat":                          {oneTemplate(`# {{ $x := repeat 1000000000 "xxxxxxxxxx" }}`), "", "exceeds a limit of what functions", false},
		"expression over values":          {oneTemplate(`# {{ len (regexReplaceAll "(a|aa)+$" .Values.x "") }}`), `{"x": "` + rep("a", 300_000) + `b"}`, "", false},
		"many expressions":                {oneTemplate(`# {{ $x := repeat 30000 "a" }}` + rep(`{{ if regexMatch "(a?){900}b" $x }}x{{ end }}`, 400)), "", "exceeds a limit of what functions", false},
		"long loops over constants":       {oneTemplate(`# {{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}`), "", "exceeds the limit on ", false},
		"many calls of much":              {oneTemplate(`# {{ $x := repeat 4000000 "a" }}` + rep(`{{ $y := sha512sum $x }}`, 9000)), "", "loading takes longer than the 10s", true},
		"recursion":                       {oneTemplate(`# {{ define "f" }}{{ template "f" . }}{{ template "f" . }}{{ end }}{{ template "f" . }}`), "", "exceeds the limit on nested template calls, 100", false},
		"calls that double":               {oneTemplate("# " + doublingDefines(40) + `{{ template "d39" . }}`), "", "exceeds the limit on ", false},
		"deep blocks":                     {oneTemplate(rep("{{ if .Spec }}", 30_000) + rep("{{ end }}", 30_000)), "", "actions, more than the 20000", false},
		"deep blocks of few":              {oneTemplate(rep("{{ if .Spec }}", 5000) + rep("{{ end }}", 5000)), "", "nested 5000 deep, more than the 1000", false},
		"long chain of else":              {oneTemplate("{{ if .Spec }}" + rep("{{ else if .Spec }}", 9000) + "{{ end }}"), "", "nested 9001 deep", false},
		"deep parentheses":                {oneTemplate("{{ " + rep("(", 100_000) + "1" + rep(")", 100_000) + " }}"), "", "sidecar", false},
		"a long list of arguments":        {oneTemplate("{{ len (list " + rep("1 ", 300_000) + ") }}"), "", "bytes in its actions, more than the 262144", false},
		"a long pipeline":                 {oneTemplate("{{ 1 " + rep("| add 1 ", 600) + " }}"), "", "calls more than 500", false},
		"large products":                  {oneTemplate("# {{ mulf " + rep("1.1e300 ", 30_000) + " }}"), "", "exceeds a limit of what functions", false},
		"many templates in one":           {oneTemplate(rep(`{{ define "x" }}{{ end }}`, 40_000)), "", "actions, more than the 20000", false},
		"actions in all templates":        {manyTemplates(200, "# %d "+rep("{{ 1 }}", 101)), "", "all of them together", false},
		"as much as there may be":         {manyTemplates(199, "# %d {{ toYaml .Values | len }} "+rep("x", 4500)), "a: [" + rep("123456,", 99_000) + "1]", "", true},
		"texts taken apart":               {oneTemplate(`# {{ len (splitList "" (repeat 4000000 "a")) }}`), "", "exceeds a limit of what functions", false},
		"a text made of its own text":     {oneTemplate(`# {{ $x := "abcdefgh" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}`), "", "exceeds a limit of what functions", false},
	}
}

func doublingDefines(n int) string {
	s := `{{ define "d0" }}x{{ end }}`
	for i := 1; i < n; i++ {
		s += fmt.Sprintf(`{{ define "d%d" }}{{ template "d%d" . }}{{ template "d%d" . }}{{ end }}`, i, i-1, i-1)
	}
	return s
}

// loaderOf is a reader of one configuration from files.
func loaderOf(t testing.TB, config, values string) *reader {
	t.Helper()
	dir := t.TempDir()
	for key, text := range map[string]string{"config": config, "values": values, "mesh": "{}"} {
		must(t, os.WriteFile(filepath.Join(dir, key), []byte(text), 0o600))
	}
	log := slog.New(slog.DiscardHandler)
	return &reader{
		files: Files{InjectConfig: filepath.Join(dir, "config"), InjectValues: filepath.Join(dir, "values"), MeshConfig: filepath.Join(dir, "mesh")},
		log:   log, generations: generations{now: time.Now}, now: time.Now, attempted: func() bool { return true },
		compiler: newCompiler(inject.Options{OnDefect: func(name string, err error) { t.Errorf("template %s: a defect: %v", name, err) }}),
	}
}

// mostHeap runs do and returns the most that the heap and stacks took meanwhile,
// over what they took before, in bytes.
func mostHeap(do func()) uint64 {
	in := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	runtime.GC()
	before, most := in(), uint64(0)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			most = max(most, in())
			<-ticker.C
		}
	}()
	do()
	cancel()
	<-done
	return max(most, before) - before
}

// slack is how much longer than loadTime a loading may take: what one action may
// need, and other tests at the same time.
const slack = 10 * time.Second

// Whatever a configuration holds, loading it ends in time, in bounded memory, and
// leaves nothing at work.
func TestBombs(t *testing.T) {
	for name, tc := range bombs() {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && tc.slow {
				t.Skip("takes as long as a loading may")
			}
			r := loaderOf(t, tc.config, tc.values)
			goroutines := runtime.NumGoroutine()
			var err error
			start := time.Now()
			most := mostHeap(func() { _, _, err = r.load(t.Context(), "") })
			took := time.Since(start)
			t.Logf("%s: %s, %d MiB, %.300v", name, took.Round(time.Millisecond), most>>20, err)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if took > loadTime+slack || most > 150<<20 {
				t.Errorf("took %s and %d MiB", took, most>>20)
			}
			for deadline := time.Now().Add(slack); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d goroutines are left", runtime.NumGoroutine()-goroutines)
				}
			}
		})
	}
}
