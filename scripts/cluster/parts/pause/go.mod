module github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/parts/pause

go 1.26.0
