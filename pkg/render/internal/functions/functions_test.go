package functions_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/sample"
)

func compile(t testing.TB, l *render.Language, text string, limits render.Limits) *render.Template {
	t.Helper()
	tmpl, err := l.Compile("sidecar", text, config.Origin{}, limits)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestCurrentFunctions(t *testing.T) {
	language := render.Current(map[string]string{"ALLOWED": "yes"})
	for in, want := range map[string]string{
		// ours
		`{{ annotation .ObjectMeta "note" "x" }}`:                                                                     "kept",
		`{{ annotation .ObjectMeta "empty" "x" }}`:                                                                    "",
		`{{ annotation .ObjectMeta "none" .Values.global.port }}`:                                                     "15020",
		`{{ annotation .ObjectMeta "none" .ProxyConfig.InterceptionMode }}`:                                           "REDIRECT",
		`{{ annotation .ObjectMeta "none" .Values.none }}`:                                                            "<nil>",
		`{{ isset .ObjectMeta.Annotations "empty" }} {{ isset .ObjectMeta.Annotations "x" }}`:                         "true false",
		`{{ valueOrDefault "" 1 }} {{ valueOrDefault .Values.none 2 }} {{ valueOrDefault 3 4 }}`:                      "1 2 3",
		`{{ excludeInboundPort 15020 "" }}`:                                                                           "15020",
		`{{ excludeInboundPort .Values.global.port "1, 15020" }}`:                                                     "1, 15020",
		`{{ excludeInboundPort "15020" "1, 2,,3" }}`:                                                                  "1,2,3,15020",
		`{{ excludeInboundPort 0 "1" }} {{ excludeInboundPort "" "1" }}`:                                              "1 1",
		`{{ includeInboundPorts .Spec.Containers }} {{ applicationPorts .Spec.Containers }}`:                          "80,15090 80",
		`{{ kubevirtInterfaces "a,b" }} {{ excludeInterfaces "c" }}`:                                                  "a,b c",
		`{{ toJSON .ObjectMeta.Labels }}`:                                                                             `{"app":"web","app.kubernetes.io/version":"v1"}`,
		`{{ toJSON .DeploymentMeta.Labels }} {{ toJSON .Values.none }}`:                                               "{} {}",
		`{{ (fromJSON "{\"a\": [1]}").a }} {{ fromJSON "odd" }}`:                                                      "[1] {}",
		`{{ range (index .Spec.Containers 0).Ports }}{{ structToJSON . }}{{ end }}`:                                   `{"name":"http","containerPort":80}{"containerPort":53,"protocol":"UDP"}`,
		`{{ structToJSON .Values.none }}`:                                                                             "{}",
		`{{ protoToJSON .ProxyConfig }}`:                                                                              "{}",
		`{{ toYaml .Values.global.resources.limits }}`:                                                                "cpu: null\nmemory: 1Gi\n",
		`{{ toYaml (omitNil .Values.global.resources) }}`:                                                             "limits:\n  memory: 1Gi\nlist:\n- {}\n",
		`{{ indent 2 "a\nb\n" }}|`:                                                                                    "a\n  b\n  |",
		`{{ directory "/etc/certs/ca.pem" }} {{ directory "x" }}`:                                                     "/etc/certs/ ",
		`{{ contains "/" "a/b" }} {{ contains "a/b" "/" }} {{ toLower "Ab" }}`:                                        "true false ab",
		`{{ formatDuration .ProxyConfig.DrainDuration }} {{ formatDuration .ProxyConfig.FileFlushInterval }}`:         "45s 0s",
		`{{ appendMultusNetwork "" "default/cni" }}`:                                                                  "default/cni",
		`{{ appendMultusNetwork "a" "default/cni" }} {{ appendMultusNetwork "a, default/cni" "default/cni" }}`:        "a, default/cni a, default/cni",
		`{{ appendMultusNetwork "[{\"name\":\"a\"}]" "default/cni" }}`:                                                `[{"name":"a"}, {"name":"cni","namespace":"default"}]`,
		`{{ appendMultusNetwork "[]" "cni" }} {{ appendMultusNetwork "[x]" "cni" }}`:                                  `[{"name":"cni"}] [x]`,
		`{{ appendMultusNetwork "[{\"name\":\"cni\",\"namespace\":\"default\"}]" "default/cni" }}`:                    `[{"name":"cni","namespace":"default"}]`,
		`{{ env "ALLOWED" "no" }} {{ env "HOME" "no" }}`:                                                              "yes no",
		`{{ omit .ObjectMeta.Labels "app" }} {{ omit (dict "a" 1 "b" 2) "a" "c" }} {{ omit .Values.none "a" }}`:       "map[app.kubernetes.io/version:v1] map[b:2] map[]",
		`{{ toJsonMap .ObjectMeta.Labels (strdict "app" "other") }}`:                                                  `{"app":"other","app.kubernetes.io/version":"v1"}`,
		`{{ mergeMaps (strdict "a" "1") (strdict "a" "2" "b" "3") }}`:                                                 "map[a:2 b:3]",
		`{{ otelResourceAttributes .MeshConfig .ObjectMeta.Annotations .ObjectMeta.Labels "shop" .Spec.Containers }}`: "",
		// of sprig, in the place of its own
		`{{ list "a" 1 nil | join "," }} {{ join "-" (splitList "," "a,b") }} {{ join "," 7 }} {{ join "," nil }}|`: "a,1 a-b 7 |",
		`{{ join "," (until 3) }}`:                  "0,1,2",
		`{{ quote "a\"b" 1 nil }} {{ squote "x" }}`: `"a\"b" "1" 'x'`,
		`{{ "a\nb" | nindent 2 }}`:                  "\n  a\n  b",
		`{{ $a := list 1 }}{{ $b := append $a 2 }}{{ $c := append $a 3 }}{{ $a }}{{ $b }}{{ $c }}{{ append (until 2) 9 }}`:                                                   "[1][1 2][1 3][0 1 9]",
		`{{ repeat 3 "ab" }} {{ until 3 }} {{ until -2 }} {{ untilStep 1 10 4 }} {{ untilStep 3 1 1 }}`:                                                                      "ababab [0 1 2] [0 -1] [1 5 9] []",
		`{{ seq 3 }} {{ seq 2 4 }} {{ seq 9 -4 1 }} {{ seq 3 1 }} {{ seq -1 }}`:                                                                                              "1 2 3 2 3 4 9 5 1 3 2 1 1 0 -1",
		`{{ replace "a" "bb" "aXa" }} {{ trunc 2 "abc" }} {{ "-a_" | trimAll "-_." }}`:                                                                                       "bbXbb ab a",
		`{{ keys (dict "b" 1 "a" 2) }} {{ values (dict "b" 1 "a" 2) }}`:                                                                                                      "[a b] [2 1]",
		`{{ printf "%05d|%-4s|%t|%%" 42 "x" true }} {{ print 1 2 "a" }} {{ println "b" }}`:                                                                                   "00042|x   |true|% 1 2a b\n",
		`{{ printf "1234567890 %s 99999" "x" }}`:                                                                                                                             "1234567890 x 99999",
		`{{ regexReplaceAll "a(x*)b" "axxb" "${1}W" }} {{ regexMatch "^a" "abc" }}`:                                                                                          "xxW true",
		`{{ regexFindAll "a+" "aa b aaa" -1 }} {{ regexSplit "," "a,b" -1 }} {{ regexReplaceAllLiteral "a" "aXa" "$" }} {{ regexFind "b." "abc" }} {{ regexQuoteMeta "." }}`: `[aa aaa] [a b] $X$ bc \.`,
		`{{ len (regexReplaceAll "[^a-z0-9]+" (repeat 300 "Some-Name_") "-") }} {{ len (regexFindAll "\\s+" (repeat 700 "ab ") -1) }}`:                                       "2401 700",
		`{{ mulf 1.5 2 }} {{ addf 1 2.5 }} {{ add1f 1.5 }} {{ subf 3 1.5 }} {{ divf 3 2 }}`:                                                                                  "3 3.5 2.5 1.5 1.5",
		`{{ (split "," "a,b")._1 }} {{ splitList "," "a,b" }} {{ (splitn "," 2 "a,b,c")._1 }} {{ semverCompare ">=1.2" "1.3.0" }} {{ fromJson "[1]" }}`:                      "b [a b] b,c true [1]",
		`{{ wrap 3 "a b c" }} {{ wrapWith 3 "|" "a b c" }}`:                                                                                                                  "a b\nc a b|c",
		`{{ uniq (list 1 1 2) }} {{ without (list 1 2) 2 }} {{ has 1 (list 1) }}`:                                                                                            "[1 2] [1] true",
		`{{ $d := dict "a" 1 }}{{ $_ := set $d "b" 2 }}{{ toJson $d }}`:                                                                                                      `{"a":1,"b":2}`,
		`{{ html "<a>" }} {{ js "'" }} {{ urlquery "a b" }}`:                                                                                                                 `&lt;a&gt; \' a+b`,
		`{{ .Values.none.deep | default "x" }}`:                                                                                                                              "x",
		// what templates find
		`{{ .Values.none }} {{ .Revision }} {{ .ProxyUID }} {{ .NativeSidecars }}`:                                                  "<no value> r 1337 true",
		`{{ .ProxyConfig.GetTracing.GetTlsSettings.GetCaCertificates }}{{ .ProxyConfig.HoldApplicationUntilProxyStarts.GetValue }}`: "false",
		`{{ index .Values "Reset" }} {{ .Values.Reset }} {{ $.Values.Reset }}`:                                                      "a key a key a key",
		`{{ toLower .TypeMeta.Kind }} {{ .DeploymentMeta.Name }}`:                                                                   "deployment web",
	} {
		t.Run(in, func(t *testing.T) {
			out, err := compile(t, language, in, render.Limits{}).Execute(sample.Data())
			if err != nil || string(out) != want {
				t.Errorf("got %q, %v\nwant %q", out, err, want)
			}
		})
	}
}

func TestClassicFunctions(t *testing.T) {
	d := &render.ClassicData{
		DeploymentMeta: &metav1.ObjectMeta{Name: "web"},
		ObjectMeta:     sample.Data().ObjectMeta, Spec: sample.Data().Spec,
		ProxyConfig: config.DefaultClassicProxy(), MeshConfig: config.DefaultClassicMesh(),
	}
	for in, want := range map[string]string{
		`[[ includeInboundPorts .Spec.Containers ]] [[ applicationPorts .Spec.Containers ]]`:                               "80,53,15090,9 80,53",
		`[[ formatDuration .ProxyConfig.ParentShutdownDuration ]] [[ formatDuration .ProxyConfig.DiscoveryRefreshDelay ]]`: "1m0s 0s",
		`[[ toJson .ObjectMeta.Labels ]] {{ not ours }}`:                                                                   `{"app":"web","app.kubernetes.io/version":"v1"} {{ not ours }}`,
		`[[ annotation .ObjectMeta "x" .ProxyConfig.InterceptionMode ]] [[ .ProxyConfig.InterceptionMode.String ]]`:        "REDIRECT REDIRECT",
		`[[ .ProxyConfig.GetTracing.GetZipkin.GetAddress ]]|[[ if gt .ProxyConfig.Concurrency 0 ]]x[[ end ]]`:              "|",
		`[[ printf "%s" "a" ]][[ print 1 ]][[ println 2 ]]`:                                                                "a12\n",
		`[[ range $k, $v := fromJSON "{\"a\": {\"b\": 1}}" ]][[ $k ]]: [[ toYaml $v | indent 2 ]][[ end ]]`:                "a: b: 1\n  ",
	} {
		out, err := compile(t, render.Classic(), in, render.Limits{}).Execute(d)
		if err != nil || string(out) != want {
			t.Errorf("%s: got %q, %v\nwant %q", in, out, err, want)
		}
	}
}

// The set of functions is fixed: classic has its list and nothing else, and the
// current one lacks what reaches outside or differs from one time to the next.
func TestFunctionSets(t *testing.T) {
	want := "annotation applicationPorts directory excludeInboundPort formatDuration fromJSON html includeInboundPorts indent isset js kubevirtInterfaces print printf println toJSON toJson toYaml urlquery valueOrDefault"
	if got := strings.Join(render.Classic().Functions(), " "); got != want {
		t.Errorf("classic functions:\n%s\nwant\n%s", got, want)
	}
	have := map[string]bool{}
	for _, name := range render.Current(nil).Functions() {
		have[name] = true
		lower := strings.ToLower(name)
		for _, odd := range []string{"rand", "uuid", "date", "now", "gen", "crypt", "host", "expand", "ago", "epoch", "shuffle", "passw"} {
			if strings.Contains(lower, odd) && name != "unknown" {
				t.Errorf("%s is there", name)
			}
		}
	}
	for _, name := range strings.Fields("annotation isset valueOrDefault excludeInboundPort includeInboundPorts applicationPorts kubevirtInterfaces excludeInterfaces toJSON fromJSON structToJSON protoToJSON toYaml indent directory contains toLower formatDuration appendMultusNetwork env omit strdict toJsonMap mergeMaps omitNil otelResourceAttributes default quote nindent trunc join list append dict set get hasKey ternary regexMatch semver b64enc sha256sum") {
		if !have[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

// The same template with the same data gives the same text: there is no clock
// and no chance, and the order of maps does not show.
func TestSameInputSameOutput(t *testing.T) {
	tmpl := compile(t, render.Current(nil), `{{ $d := dict "z" 1 "y" 2 "x" 3 "w" 4 "v" 5 }}{{ keys $d }}{{ values $d }}{{ toJson $d }}{{ $d }}{{ toYaml $d }}{{ pluck "z" $d $d }}{{ protoToJSON .MeshConfig }}`, render.Limits{})
	first, err := tmpl.Execute(sample.Data())
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if again, err := tmpl.Execute(sample.Data()); err != nil || string(again) != string(first) {
			t.Fatalf("got %s, %v\nthen %s", first, err, again)
		}
	}
}

func TestSortAlphaLeavesThePodAlone(t *testing.T) {
	d := sample.Pods()[2]
	if _, err := compile(t, render.Current(nil), `{{ range .Spec.Containers }}{{ sortAlpha .Args }}{{ end }}`, render.Limits{}).Execute(d); err != nil {
		t.Fatal(err)
	}
	if got := d.Spec.Containers[0].Args; !slices.Equal(got, []string{"z", "y"}) {
		t.Errorf("the pod's args are %v now", got)
	}
}

// Whatever a template does, its execution ends, soon and in little memory.
func TestLimits(t *testing.T) {
	limits := render.Limits{Output: 1000, Steps: 1000, Depth: 10}
	for name, tc := range map[string]struct{ text, want string }{
		"until":                    {`{{ until 1000000000 }}`, "counts more than 10000"},
		"until below":              {`{{ until -1000000000 }}`, "counts more than 10000"},
		"untilStep":                {`{{ untilStep -9223372036854775807 9223372036854775807 1 }}`, "counts more than 10000"},
		"seq":                      {`{{ seq 1 1 1000000000 }}`, "counts more than 10000"},
		"repeat":                   {`{{ repeat 1000000000 "x" }}`, "larger than"},
		"repeat below":             {`{{ repeat -1 "x" }}`, "invalid count -1"},
		"nindent":                  {`{{ nindent 1000000000 "x" }}`, "larger than"},
		"indent":                   {`{{ indent 1000000000 "x\ny" }}`, "larger than"},
		"indent below":             {`{{ indent -1 "x\ny" }}`, "invalid width -1"},
		"nindent below":            {`{{ nindent -1 "x\ny" }}`, "invalid width -1"},
		"width":                    {`{{ printf "%1000000000d" 1 }}`, "a width in"},
		"precision":                {`{{ printf "%.1000000000f" 1.0 }}`, "a width in"},
		"width of arguments":       {`{{ printf "%*d" 1000000000 1 }}`, "takes a width from its arguments"},
		"verbs":                    {`{{ $x := repeat 400000 "x" }}{{ printf (repeat 400 "%[1]s") $x }}`, "could be larger than"},
		"doubled string":           {`{{ $x := "abcdefgh" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}`, "larger than"},
		"doubled by printf":        {`{{ $x := "abcdefgh" }}{{ range until 40 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`, "larger than"},
		"doubled by cat":           {`{{ $x := "abcdefgh" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}`, "larger than"},
		"doubled by quote":         {`{{ $x := "\"" }}{{ range until 40 }}{{ $x = quote $x }}{{ end }}`, "larger than"},
		"doubled by join":          {`{{ $x := "ab" }}{{ range until 40 }}{{ $x = join $x (list $x $x $x) }}{{ end }}`, "larger than"},
		"doubled list":             {`{{ $x := list 1 2 3 }}{{ range until 40 }}{{ $x = concat $x $x }}{{ end }}`, "larger than"},
		"tree of lists":            {`{{ $x := list 1 }}{{ range until 40 }}{{ $x = list $x $x }}{{ end }}{{ print $x }}`, "larger than"},
		"deep list":                {`{{ $x := list 1 }}{{ range until 400 }}{{ $x = list $x }}{{ end }}{{ print $x }}`, "nested more than 100 deep"},
		"map in itself":            {`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ print $d }}`, "nested more than 100 deep"},
		"map in itself, unset":     {`{{ $d := dict }}{{ $e := dict "d" $d }}{{ $_ := set $d "e" $e }}{{ toYaml $d }}`, "nested more than 100 deep"},
		"replace":                  {`{{ $x := repeat 10000 "x" }}{{ replace "x" $x $x }}`, "larger than"},
		"regex":                    {`{{ $x := repeat 10000 "x" }}{{ regexReplaceAll "x" $x $x }}`, "larger than"},
		"regex expansion":          {`{{ $x := repeat 10000 "x" }}{{ regexReplaceAll "x+" $x (repeat 10000 "$0") }}`, "larger than"},
		"long regex":               {`{{ regexMatch (repeat 5000 "x") "x" }}`, "longer than 4096"},
		"repeated regex":           {`{{ mustRegexMatch "((a{100}){100}){100}" "x" }}`, "invalid repeat count"},
		"wrap":                     {`{{ wrapWith 1 (repeat 100000 "x") (repeat 10000 "y ") }}`, "larger than"},
		"comparing":                {`{{ uniq (splitList "," (repeat 3000 "a,")) }}`, "more than the 2000 items"},
		"regex over a long text":   {`{{ $x := repeat 300000 "a" }}{{ len (regexFindAll "a*b|a" $x -1) }}`, "could take more than 33554432 steps"},
		"regex with many states":   {`{{ $x := repeat 300000 "a" }}{{ regexMatch "(a?){900}b" $x }}`, "could take more than 33554432 steps"},
		"regex of many states":     {`{{ regexMatch (repeat 400 "x{900}") "x" }}`, "has more than 10000 states"},
		"regex replaced by little": {`{{ $x := repeat 300000 "a" }}{{ len (regexReplaceAll "a*b|a" $x "") }}`, "could take more than 33554432 steps"},
		"regex of many matches":    {`{{ $x := repeat 300000 "a" }}{{ len (regexReplaceAll "a" $x "") }}`, "has more than 100000 matches"},
		"regex that splits":        {`{{ $x := repeat 300000 "a" }}{{ len (mustRegexSplit "a*b|a" $x -1) }}`, "could take more than 33554432 steps"},
		"regex of nested repeats":  {`{{ regexMatch "(((((((((x*)*)*)*)*)*)*)*)*y){50}" (repeat 300000 "x") }}`, "could take more than 33554432 steps"},
		"many factors":             {`{{ mulf ` + strings.Repeat("1.5 ", 101) + `}}`, "more than 100 numbers"},
		"split":                    {`{{ len (split "" (repeat 4000000 "a")) }}`, "more than 100000 parts"},
		"splitList":                {`{{ len (splitList "," (repeat 4000000 ",")) }}`, "more than 100000 parts"},
		"splitn":                   {`{{ len (splitn "," 3000000 (repeat 4000000 ",")) }}`, "more than 100000 parts"},
		"fromJson":                 {`{{ len (fromJson (print "[" (repeat 900000 "[],") "1]")) }}`, "longer than 1048576"},
		"fromJSON":                 {`{{ len (fromJSON (print "[" (repeat 900000 "[],") "1]")) }}`, "longer than 1048576"},
		"semver":                   {`{{ semver (repeat 3000000 "1") }}`, "longer than 1024"},
		"semverCompare":            {`{{ semverCompare (repeat 1000000 ">=1,") "1.2.3" }}`, "longer than 1024"},
		"width after an index":     {`{{ printf "%[1]99999999d" 1 }}`, "a width in"},
		"width of no verb":         {`{{ printf "%99999999" }}`, "a width in"},
		"pods in a list":           {`{{ $x := list .Spec }}{{ range until 900 }}{{ $x = concat $x (list $.Spec $.Spec $.Spec $.Spec $.Spec $.Spec $.Spec $.Spec) }}{{ end }}`, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			out, err := compile(t, render.Current(nil), tc.text, limits).Execute(sample.Data())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %d bytes, %v\nwant %s", len(out), err, tc.want)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
