package annotations_test

import (
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
)

func Example() {
	fmt.Println(annotations.Check(map[string]string{
		annotations.InterceptionMode:                   "TPROXY",
		annotations.StatusPort:                         "http",
		"traffic.sidecar.istio.io/includeInboundPorts": "80,x",
	}))
	// Output:
	// annotation status.sidecar.istio.io/port: invalid value "http": must be a port from 0 to 65535
	// annotation traffic.sidecar.istio.io/includeInboundPorts: invalid value "80,x": "x" is not a port, must be a comma separated list of numbers from 0 to 65535, or *
}
