// Command image packs static binaries into a container image without a
// container engine: one layer over nothing, as the Dockerfile's last stage.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
