module github.com/sidecar-injector/istio-sidecar-injector/scripts/release

go 1.26.0

require (
	github.com/anchore/go-struct-converter v0.1.0 // indirect
	github.com/spdx/tools-golang v0.5.7 // indirect
)
