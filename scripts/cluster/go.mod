module github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster

go 1.26.0

require golang.org/x/sys v0.40.0
