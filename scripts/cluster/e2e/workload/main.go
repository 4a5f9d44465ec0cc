// Workload is what runs in the pods of the end-to-end test.
package main

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/netlink"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("workload", flag.ContinueOnError)
	mode := flags.String("mode", "", "serve, webhook, get or netadmin")
	address := flags.String("address", ":8080", "serve, webhook: where to listen")
	url := flags.String("url", "", "get: what to get, until it answers 200")
	certs := flags.String("certs", "/tls", "webhook: the folder with tls.crt and tls.key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch *mode {
	case "serve":
		return http.ListenAndServe(*address, http.HandlerFunc(hello))
	case "webhook":
		return http.ListenAndServeTLS(*address, *certs+"/tls.crt", *certs+"/tls.key", http.HandlerFunc(label))
	case "get":
		return get(*url, time.Minute)
	case "netadmin":
		// Only with CAP_NET_ADMIN can a pod's addresses be changed.
		return netlink.AddAddress("lo", netip.MustParsePrefix("192.0.2.9/32"))
	}
	return fmt.Errorf("unknown mode %q", *mode)
}

func hello(w http.ResponseWriter, _ *http.Request) {
	name, _ := os.Hostname()
	fmt.Fprintf(w, "hello from %s\n", name)
}

// label answers an AdmissionReview with a patch that adds a label.
func label(w http.ResponseWriter, r *http.Request) {
	var review struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Request    struct {
			UID string `json:"uid"`
		} `json:"request"`
	}
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	patch := `[{"op":"add","path":"/metadata/labels","value":{"webhook":"called"}}]`
	json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": review.APIVersion, "kind": review.Kind,
		"response": map[string]any{
			"uid": review.Request.UID, "allowed": true,
			"patchType": "JSONPatch", "patch": base64.StdEncoding.EncodeToString([]byte(patch)),
		},
	})
}

func get(url string, timeout time.Duration) error {
	client := http.Client{Timeout: 2 * time.Second}
	deadline := time.Now().Add(timeout)
	for {
		answer, err := client.Get(url)
		if err == nil {
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				fmt.Printf("%s", body)
				return nil
			}
			err = fmt.Errorf("%s answered %s", url, answer.Status)
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}
