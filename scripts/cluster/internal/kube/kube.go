// Package kube is a small client of the Kubernetes API: enough to wait for a
// cluster and to give it its first objects.
package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// A Client speaks to the API server Server.
type Client struct {
	Server string
	http   *http.Client
}

// New returns a client that uses the certificate user in the folder pki.
func New(server, pki, user string) (*Client, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, user+".crt"), filepath.Join(pki, user+".key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &Client{Server: server, http: &http.Client{
		Timeout: 5 * time.Second,
		// Without Proxy: the server is on this machine, whatever the
		// environment says about proxies.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots}},
	}}, nil
}

// Get reads path into object, if that is not nil.
func (c *Client) Get(ctx context.Context, path string, object any) error {
	body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil || object == nil {
		return err
	}
	return json.Unmarshal(body, object)
}

// GetURL asks any server whose certificate is by the cluster's authority.
func (c *Client) GetURL(ctx context.Context, url string) error {
	_, err := c.send(ctx, http.MethodGet, url, nil)
	return err
}

// Create posts object to path; one that is there already is no error.
func (c *Client) Create(ctx context.Context, path string, object any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPost, path, data)
	var status StatusError
	if errors.As(err, &status) && status.Code == http.StatusConflict {
		return nil
	}
	return err
}

// A StatusError is an answer other than success.
type StatusError struct {
	URL     string
	Code    int
	Message string
}

func (e StatusError) Error() string {
	return fmt.Sprintf("%s answered %d: %s", e.URL, e.Code, e.Message)
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	return c.send(ctx, method, c.Server+path, body)
}

func (c *Client) send(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 != 2 {
		return nil, StatusError{URL: url, Code: answer.StatusCode, Message: message(data)}
	}
	return data, nil
}

// message takes the sentence out of a Status object.
func message(body []byte) string {
	var status struct{ Message string }
	if json.Unmarshal(body, &status) == nil && status.Message != "" {
		return status.Message
	}
	return string(bytes.TrimSpace(body))
}

// NodeReady says whether the node name has registered and is ready.
func (c *Client) NodeReady(ctx context.Context, name string) error {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := c.Get(ctx, "/api/v1/nodes/"+name, &node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != "Ready" {
			continue
		}
		if condition.Status == "True" {
			return nil
		}
		return fmt.Errorf("node %s is not ready: %s", name, condition.Message)
	}
	return fmt.Errorf("node %s does not say whether it is ready", name)
}
