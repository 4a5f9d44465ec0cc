//go:build integration

package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
)

// badConfig has an error, and a value that nobody may be shown.
var badConfig = strings.ReplaceAll(goodConfig, "enabled", "s3cret")

// marked is an injection configuration that marks pods.
func marked(mark string) map[string]string {
	return map[string]string{"config": goodConfig, "values": fmt.Sprintf(`{"mark": %q}`, mark)}
}

// recording are the flags of a server that records, and has no files.
func (c *testCluster) recording(kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig, "--nativeSidecars=off", "--injectConfig=/nowhere/config", "--injectValues=/nowhere/values", "--meshConfig=/nowhere/mesh",
		"--injectConfigMap=" + c.namespace + "/inject", "--meshConfigMap=" + c.namespace + "/mesh", "--lastGoodConfigMap=" + c.namespace + "/record",
	}
}

// stored is the ConfigMap of the record; nil: there is none.
func (c *testCluster) stored() *corev1.ConfigMap {
	c.t.Helper()
	list, err := c.client.CoreV1().ConfigMaps(c.namespace).List(c.t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=record"})
	must(c.t, err)
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// recorded are the values of the recorded configuration; empty: there is none.
func (c *testCluster) recorded() string {
	cm := c.stored()
	if cm == nil {
		return ""
	}
	r, err := lastgood.Decode(cm)
	if err != nil {
		return ""
	}
	return string(r.Documents.Values)
}

func (c *testCluster) eventuallyRecorded(mark string) {
	c.t.Helper()
	eventually(c.t, mark+" recorded", func() bool { return c.recorded() == marked(mark)["values"] })
}

// record stores a record that was written by another version.
func (c *testCluster) record(config, values string) {
	c.t.Helper()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "record"}, Data: map[string]string{}, BinaryData: map[string][]byte{}}
	for key, text := range recordFiles(c.t, config, values) {
		if strings.HasSuffix(key, ".gz") {
			cm.BinaryData[key] = []byte(text)
		} else {
			cm.Data[key] = text
		}
	}
	_, err := c.client.CoreV1().ConfigMaps(c.namespace).Create(c.t.Context(), cm, metav1.CreateOptions{})
	must(c.t, err)
}

// events are the reasons of the Events about the injection ConfigMap, and what they say.
func (c *testCluster) events() map[string]string {
	c.t.Helper()
	list, err := c.client.CoreV1().Events(c.namespace).List(c.t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=inject"})
	must(c.t, err)
	all := map[string]string{}
	for _, e := range list.Items {
		all[e.Reason] += e.Message + "\n"
	}
	return all
}

// TestRecordOverARestart is the life of a record: written, kept while the configuration
// is refused, served after a restart, and over when the configuration is taken back.
func TestRecordOverARestart(t *testing.T) {
	c, s := connect(t), newSite(t)
	c.configMap("record", nil)
	c.configMap("mesh", map[string]string{"mesh": goodMesh})
	c.configMap("inject", marked("a"))
	first := start(t, s, c.recording(c.kubeconfig)...)
	second := start(t, s, c.recording(c.kubeconfig)...)
	first.waitReady()
	second.waitReady()
	c.eventuallyRecorded("a")

	c.configMap("inject", map[string]string{"config": badConfig, "values": "{}"})
	eventually(t, "the refusal in the record", func() bool { return strings.Contains(c.stored().Data["refusedReason"], "/inject:config:1:9: policy") })
	eventually(t, "the refusal as an Event", func() bool { return c.events()["ConfigurationRefused"] != "" })
	first.stop()
	second.stop()
	first.wait()
	second.wait()

	third := start(t, s, c.recording(c.kubeconfig)...)
	third.waitReady()
	if got := third.mark(); got != "a" {
		t.Errorf("marked %q after the restart", got)
	}
	if _, body := third.get("/readyz"); !strings.Contains(body, "as it was recorded") || !strings.Contains(body, c.namespace+"/inject:config:1:9: policy") {
		t.Errorf("/readyz says %s", body)
	}
	eventually(t, "the time of the Event renewed", func() bool { return strings.Contains(c.events()["ConfigurationRefused"], "mend it with helm upgrade") })
	if n := strings.Count(c.events()["ConfigurationRefused"], "\n"); n != 1 {
		t.Errorf("%d Events of one refusal by three servers", n)
	}

	begin := time.Now()
	c.configMap("inject", marked("a"))
	eventually(t, "every sign of it over", func() bool {
		_, body := third.get("/readyz")
		return !strings.Contains(body, "refused") && !strings.Contains(body, "recorded") && c.events()["ConfigurationInForce"] != "" && c.stored().Data["refusedReason"] == ""
	})
	t.Logf("over %s after it was taken back", time.Since(begin).Round(time.Millisecond))
	c.configMap("inject", marked("b"))
	c.eventuallyRecorded("b")
	everything := fmt.Sprint(c.stored().Data, c.events(), first.log, third.log)
	if strings.Contains(everything, "s3cret") {
		t.Error("a value of the configuration is shown")
	}
}

// TestStartsWithARecord starts servers in the states in which a cluster may be.
func TestStartsWithARecord(t *testing.T) {
	damaged := func(c *testCluster) {
		c.record(goodConfig, `{"mark": "recorded"}`)
		cm := c.stored()
		cm.Data["digest"] = "0"
		_, err := c.client.CoreV1().ConfigMaps(c.namespace).Update(c.t.Context(), cm, metav1.UpdateOptions{})
		must(c.t, err)
	}
	for name, tc := range map[string]struct {
		prepare func(c *testCluster)
		mark    string // empty: the server is not ready
		says    string // on /readyz
	}{
		"refused, of another version": {func(c *testCluster) {
			c.record(goodConfig, `{"mark": "recorded"}`)
			c.configMap("mesh", map[string]string{"mesh": goodMesh})
			c.configMap("inject", map[string]string{"config": badConfig})
		}, "recorded", "serving the last good configuration, of 2026-01-02T03:04:05Z, as it was recorded"},
		"both deleted": {func(c *testCluster) { c.record(goodConfig, `{"mark": "recorded"}`) }, "recorded", "inject does not exist"},
		"two generations": {func(c *testCluster) {
			c.record(goodConfig, `{"mark": "recorded"}`)
			c.configMap("mesh", map[string]string{"mesh": goodMesh, "generation": "1"})
			c.configMap("inject", map[string]string{"config": goodConfig, "values": `{"mark": "mixed"}`, "generation": "2"})
		}, "recorded", "waiting for the other one was in vain"},
		"a stricter version": {func(c *testCluster) {
			c.record(failsOnEveryPod, `{}`)
			c.configMap("mesh", map[string]string{"mesh": goodMesh})
			c.configMap("inject", map[string]string{"config": failsOnEveryPod, "values": `{}`})
		}, "-", "this version would refuse it, had another one not accepted it"},
		"refused, and nothing recorded": {func(c *testCluster) {
			c.configMap("record", nil)
			c.configMap("mesh", map[string]string{"mesh": goodMesh})
			c.configMap("inject", map[string]string{"config": badConfig})
		}, "", "there is no good configuration: "},
		"refused, and the record damaged": {func(c *testCluster) {
			damaged(c)
			c.configMap("mesh", map[string]string{"mesh": goodMesh})
			c.configMap("inject", map[string]string{"config": badConfig})
		}, "", "there is no good configuration: "},
		"refused, and no object": {func(c *testCluster) {
			c.configMap("mesh", map[string]string{"mesh": goodMesh})
			c.configMap("inject", map[string]string{"config": badConfig})
		}, "", "there is no good configuration: "},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := connect(t), newSite(t)
			tc.prepare(c)
			i := start(t, s, c.recording(c.kubeconfig)...)
			eventually(t, tc.says, func() bool {
				code, body := i.get("/readyz")
				return strings.Contains(body, tc.says) && (code == http.StatusOK) == (tc.mark != "")
			})
			if tc.mark != "" && tc.mark != "-" {
				if got := i.mark(); got != tc.mark {
					t.Errorf("marked %q", got)
				}
			}
			if c.stored() == nil {
				eventually(t, "the missing object in the log", func() bool {
					return strings.Contains(i.log.String(), "configmap "+c.namespace+"/record does not exist, so the last good configuration is kept in memory alone")
				})
				c.configMap("record", nil)
			}
			c.configMap("mesh", map[string]string{"mesh": goodMesh})
			c.configMap("inject", marked("mended"))
			i.waitReady()
			c.eventuallyRecorded("mended")
			eventually(t, "no trouble left", func() bool {
				_, metrics := i.get("/metrics")
				return !strings.Contains(metrics, "sidecar_injector_trouble{")
			})
			if got := i.mark(); got != "mended" {
				t.Errorf("marked %q", got)
			}
		})
	}
}

// detour is a way to the API server on which a test can stand.
type detour struct {
	*httptest.Server
	frozen atomic.Bool  // what is watched stays as it is
	reads  atomic.Int64 // of single ConfigMaps, while it is frozen
	// beforeWrite is called before each update of the record is sent on; nil: nothing.
	mu          sync.Mutex
	beforeWrite func(*http.Request)
}

// newDetour makes one, and a kubeconfig that leads there.
func newDetour(t *testing.T, c *testCluster, s *site) (*detour, string) {
	t.Helper()
	config, err := kube.Config(c.kubeconfig, "integration-test")
	must(t, err)
	transport, err := rest.TransportFor(config)
	must(t, err)
	target, err := url.Parse(config.Host)
	must(t, err)
	d := &detour{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Query().Get("watch") != "" {
				r.Body = &freezer{ReadCloser: r.Body, d: d, done: r.Request.Context().Done()}
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/configmaps/inject") && d.frozen.Load() {
			d.reads.Add(1)
		}
		d.mu.Lock()
		before := d.beforeWrite
		d.mu.Unlock()
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/record") && before != nil {
			before(r)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { d.CloseClientConnections(); d.Close() })
	path := s.path("kubeconfig-detour")
	must(t, os.WriteFile(path, fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`, d.URL), 0o600))
	return d, path
}

// freezer is the body of a watch.
type freezer struct {
	io.ReadCloser
	d    *detour
	done <-chan struct{}
}

func (f *freezer) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.d.frozen.Load() {
		<-f.done
		return 0, io.EOF
	}
	return n, err
}

// TestAnOlderViewOfTheCluster has a server that hears of no change any more: it never
// writes what it believes to be the newest over what another one has recorded.
func TestAnOlderViewOfTheCluster(t *testing.T) {
	c, s := connect(t), newSite(t)
	c.configMap("record", nil)
	c.configMap("mesh", map[string]string{"mesh": goodMesh})
	c.configMap("inject", marked("old"))
	d, kubeconfig := newDetour(t, c, s)
	late := start(t, s, append(c.recording(kubeconfig), "--lastGoodDir="+s.path("none"))...)
	late.waitReady()
	c.eventuallyRecorded("old")
	d.frozen.Store(true)
	early := start(t, s, c.recording(c.kubeconfig)...)
	early.waitReady()
	c.configMap("inject", marked("new"))
	c.eventuallyRecorded("new")
	if got := late.mark(); got != "old" {
		t.Fatalf("the late server marks %q: it has heard of the change", got)
	}
	version := c.stored().ResourceVersion
	// The files are looked at every 10 s, and each look wakes what keeps the record.
	eventually(t, "the late server compare the record with the cluster, again and again", func() bool { return d.reads.Load() >= 1 })
	early.stop()
	early.wait()
	if got := c.stored(); got.ResourceVersion != version || c.recorded() != marked("new")["values"] {
		t.Errorf("the record was written again, it holds %s", c.recorded())
	}
}

// TestKilledWhileWriting kills a server while it writes the record, at any moment: the
// record is the one before or the one after.
func TestKilledWhileWriting(t *testing.T) {
	program := build(t)
	c, s := connect(t), newSite(t)
	c.configMap("record", nil)
	c.configMap("mesh", map[string]string{"mesh": goodMesh})
	c.configMap("inject", marked("0"))
	d, kubeconfig := newDetour(t, c, s)
	_, first, ended := spawn(t, program, s, c.recording(c.kubeconfig)...)
	c.eventuallyRecorded("0")
	must(t, first.Process.Kill())
	<-ended
	for n, delay := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		before := c.recorded()
		_, cmd, ended := spawn(t, program, s, c.recording(kubeconfig)...)
		killed := make(chan struct{})
		var once sync.Once
		d.mu.Lock()
		d.beforeWrite = func(*http.Request) {
			once.Do(func() {
				go func() {
					defer close(killed)
					time.Sleep(delay) // while the API server takes it
					_ = cmd.Process.Kill()
				}()
			})
		}
		d.mu.Unlock()
		next := marked(fmt.Sprint(n + 1))
		c.configMap("inject", next)
		<-killed
		<-ended
		d.mu.Lock()
		d.beforeWrite = nil
		d.mu.Unlock()
		if got := c.recorded(); got != before && got != next["values"] {
			t.Errorf("killed after %s: the record holds %q", delay, got)
		}
	}
	_, _, _ = spawn(t, program, s, c.recording(c.kubeconfig)...)
	c.eventuallyRecorded("3")
}
