// Package kubeconfig writes kubeconfig files that need no other file.
package kubeconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

type file struct {
	APIVersion     string         `json:"apiVersion"`
	Kind           string         `json:"kind"`
	Clusters       []namedCluster `json:"clusters"`
	Users          []namedUser    `json:"users"`
	Contexts       []namedContext `json:"contexts"`
	CurrentContext string         `json:"current-context"`
}

type namedCluster struct {
	Name    string `json:"name"`
	Cluster struct {
		Server string `json:"server"`
		CA     []byte `json:"certificate-authority-data"`
	} `json:"cluster"`
}

type namedUser struct {
	Name string `json:"name"`
	User struct {
		Cert []byte `json:"client-certificate-data"`
		Key  []byte `json:"client-key-data"`
	} `json:"user"`
}

type namedContext struct {
	Name    string `json:"name"`
	Context struct {
		Cluster string `json:"cluster"`
		User    string `json:"user"`
	} `json:"context"`
}

// Write writes path for user, whose certificate and key, and the authority of
// server, are in the folder pki. JSON is YAML, and encodes the bytes as a
// kubeconfig wants them.
func Write(path, cluster, server, pki, user string) error {
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(filepath.Join(pki, user+".crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(pki, user+".key"))
	if err != nil {
		return err
	}
	data, err := render(cluster, server, user, ca, cert, key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("cannot write kubeconfig: %w", err)
	}
	return nil
}

func render(cluster, server, user string, ca, cert, key []byte) ([]byte, error) {
	c := namedCluster{Name: cluster}
	c.Cluster.Server, c.Cluster.CA = server, ca
	u := namedUser{Name: user}
	u.User.Cert, u.User.Key = cert, key
	x := namedContext{Name: cluster}
	x.Context.Cluster, x.Context.User = cluster, user

	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	err := enc.Encode(file{
		APIVersion: "v1", Kind: "Config",
		Clusters: []namedCluster{c}, Users: []namedUser{u}, Contexts: []namedContext{x},
		CurrentContext: cluster,
	})
	return out.Bytes(), err
}
