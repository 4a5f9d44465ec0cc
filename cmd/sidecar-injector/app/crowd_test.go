package app

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
)

// dialFrom connects from an address of the loopback network: another peer.
func dialFrom(t *testing.T, peer, address string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(peer)}, Timeout: patience}
	c, err := d.Dial("tcp", address)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// secured makes an open connection a TLS connection to the webhook.
func (i *injector) secured(c net.Conn) *tls.Conn {
	i.t.Helper()
	secured := tls.Client(c, i.site.caller().Transport.(*http.Transport).TLSClientConfig)
	must(i.t, secured.SetDeadline(time.Now().Add(patience)))
	must(i.t, secured.Handshake())
	return secured
}

// TestAnnouncedBodiesShutNobodyOut has five connections announce the bytes of all
// bodies that are taken at one time, and send none of them.
func TestAnnouncedBodiesShutNobodyOut(t *testing.T) {
	i := start(t, newSite(t))
	i.waitReady()
	for _, length := range []int{7 << 20, 7 << 20, 7 << 20, 7 << 20, 4 << 20} {
		c := i.secured(dialFrom(t, "127.0.0.1", i.webhook))
		_, err := fmt.Fprintf(c, "POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length)
		must(t, err)
	}
	for range 20 {
		_, err := i.inject(i.site.caller())
		must(t, err)
	}
}

// TestProbesGetThrough has as many connections as the monitoring port takes, silent
// or with half a request, from the probes' own address and from another one.
func TestProbesGetThrough(t *testing.T) {
	i := start(t, newSite(t))
	i.waitReady()
	for _, peer := range []string{"127.0.0.1", "127.0.0.2"} {
		for _, text := range []string{"", "GET /readyz HTTP/1.1\r\nHost:", "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"} {
			for range 100 {
				_, _ = io.WriteString(dialFrom(t, peer, i.monitoring), text)
			}
			// A kubelet's probe has a connection of its own.
			probe := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := probe.Get("http://" + i.monitoring + "/readyz")
			if err != nil {
				t.Errorf("%q from %s: the probe got %v", text, peer, err)
				continue
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%q from %s: the probe got %s", text, peer, resp.Status)
			}
		}
	}
}

// TestRejectionsAreTold has a caller whose body does not come by the time it gives.
func TestRejectionsAreTold(t *testing.T) {
	i := start(t, newSite(t))
	i.waitReady()
	for range 3 {
		c := i.secured(dialFrom(t, "127.0.0.2", i.webhook))
		_, err := io.WriteString(c, "POST /inject?timeout=10ms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{")
		must(t, err)
		answer, err := io.ReadAll(c)
		must(t, err)
		if !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") || !strings.Contains(string(answer), "Retry-After: 1") {
			t.Errorf("answered %s", answer)
		}
	}
	eventually(t, "readiness tells", func() bool {
		code, body := i.get("/readyz")
		return code == http.StatusOK && strings.Contains(body, "[+] load: 3 callers were turned away lately (pace 3), the last one 127.0.0.2")
	})
	if _, m := i.get("/metrics"); !strings.Contains(m, `sidecar_injector_rejected_total{limit="pace"} 3`+"\n") || !strings.Contains(m, "sidecar_injector_log_lines_dropped_total 0\n") {
		t.Error("the metrics do not tell")
	}
	i.stop()
	i.wait()
	if n := strings.Count(i.log.String(), "a caller was turned away"); n != 1 || !strings.Contains(i.log.String(), `"limit":"pace","peer":"127.0.0.2"`) {
		t.Errorf("%d lines in the log, want one", n)
	}
}

// TestClientNames lets in callers of the right CA by name alone.
func TestClientNames(t *testing.T) {
	s := newSite(t)
	callers := newAuthority(t)
	s.publish("callers", map[string]string{"ca.pem": string(callers.pem)})
	i := start(t, s, "--clientCAFile="+s.path("callers", "ca.pem"), "--clientNames=api-server,other")
	i.waitReady() // the self check gets in although it has none of the names

	certificate := func(name string) tls.Certificate {
		cert, key := callers.issue(t, name, time.Now().Add(time.Hour))
		pair, err := tls.X509KeyPair(cert, key)
		must(t, err)
		return pair
	}
	if _, err := i.inject(s.caller(certificate("api-server"))); err != nil {
		t.Errorf("a caller of the right name: %v", err)
	}
	for range 3 {
		if _, err := i.inject(s.caller(certificate("mallory"))); err == nil {
			t.Error("a caller of another name was served")
		}
	}
	if _, err := i.inject(s.caller()); err == nil {
		t.Error("a caller without a certificate was served")
	}
	if _, err := i.inject(s.caller(clientCertificate(t, newAuthority(t)))); err == nil {
		t.Error("a caller of another CA was served")
	}
	eventually(t, "the log tells who was refused", func() bool {
		log := i.log.String()
		return strings.Contains(log, "the certificate has no name of --clientNames") && strings.Contains(log, "mallory") &&
			strings.Contains(log, "a caller has no certificate of the CAs in --clientCAFile and was refused")
	})
	if code, body := i.get("/readyz"); code != http.StatusOK || !strings.Contains(body, "(identity 3)") {
		t.Errorf("readiness: %d %s", code, body)
	}
}

// TestLogLinesAreShort sends what a caller may write into names as long as it likes.
func TestLogLinesAreShort(t *testing.T) {
	i := start(t, newSite(t))
	i.waitReady()
	long := strings.Repeat("x", 2<<20)
	for _, body := range []string{
		fmt.Sprintf(podTemplate, long),
		strings.Replace(fmt.Sprintf(podTemplate, "u"), `"namespace":"shop"`, `"namespace":"`+long+`"`, 1),
		strings.Replace(fmt.Sprintf(podTemplate, "u"), `"name":"hello"`, `"name":"`+long+`"`, 1),
		strings.Replace(fmt.Sprintf(podTemplate, "u"), `"labels"`, `"ownerReferences":[{"controller":true,"kind":"`+long+`","name":"`+long+`"}],"labels"`, 1),
		strings.Replace(fmt.Sprintf(podTemplate, "u"), `"labels"`, `"annotations":{"sidecar.istio.io/proxyCPU":"`+long+`"},"labels"`, 1),
		strings.Replace(fmt.Sprintf(podTemplate, "u"), `"metadata"`, `"`+long, 1),
	} {
		resp, err := i.site.caller().Post("https://"+i.webhook+"/inject", "application/json", strings.NewReader(body))
		must(t, err)
		answer, err := io.ReadAll(resp.Body)
		must(t, err)
		resp.Body.Close()
		var review admissionv1.AdmissionReview
		if resp.StatusCode == http.StatusOK {
			review = decodeReview(t, answer)
		}
		if review.Response != nil {
			review.Response.Patch = nil // has what the pod has
			if n := len(fmt.Sprintf("%+v", review.Response)); n > 4<<10 {
				t.Errorf("%.200s... is answered with %d bytes", body, n)
			}
		} else if len(answer) > 4<<10 {
			t.Errorf("%.200s... is answered with %d bytes", body, len(answer))
		}
	}
	i.stop()
	i.wait()
	for line := range strings.Lines(i.log.String()) {
		if len(line) > 8<<10 {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
	}
}

func decodeReview(t *testing.T, text []byte) (review admissionv1.AdmissionReview) {
	t.Helper()
	must(t, json.Unmarshal(text, &review))
	return review
}
