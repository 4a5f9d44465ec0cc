// Command kubeschemas makes strict JSON schemas of Kubernetes objects, as
// kubeconform reads them, from the API's own description: the OpenAPI document
// of a Kubernetes version and custom resource definitions.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
