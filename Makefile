# Everything the project does, one target each. `make help` lists them.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
HUB     ?= sidecar-injector.local
TAG     ?= dev
ARCH    ?= $(shell $(GO) env GOARCH)

# The demo and the tests use clusters of different names, so they can run side
# by side.
DEMO_CLUSTER := demo
export CGO_ENABLED := 0
# One way of compiling for programs and tests, so that neither compiles again
# what the other has in the cache.
export GOFLAGS := -trimpath $(GOFLAGS)

LDFLAGS  := -s -w -X main.version=$(VERSION)
GO_BUILD  = $(GO) build -ldflags "$(LDFLAGS)"
CLUSTER   = scripts/cluster/embedded-cluster
FIGURES   = $(CURDIR)/bin/figures

.DELETE_ON_ERROR:
.PHONY: help build unit lint test integration conformance e2e image push demo kind kubeconfig down clean tools FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## ---- build

build: bin/sidecar-injector bin/cert-bootstrap bin/kubectl-sidecar ## the three programs into bin/

bin/sidecar-injector bin/cert-bootstrap bin/kubectl-sidecar: FORCE
	@echo "build    $@"
	@$(GO_BUILD) -o $@ ./cmd/$(@F)

# Helm as pinned in go.mod: what the demo and the tests install with.
bin/helm: FORCE
	@echo "build    $@"
	@$(GO) build -o $@ helm.sh/helm/v3/cmd/helm

bin/demo: FORCE
	@echo "build    $@"
	@$(GO) build -o $@ ./scripts/demo

bin/image: FORCE
	@echo "build    $@"
	@cd scripts/tools && $(GO) build -o ../../$@ ./image

## ---- images

image: bin/image bin/linux-$(ARCH) ## container images as archives in bin/images/
	@bin/image --arch $(ARCH) --ref $(HUB)/sidecar_injector:$(TAG) --out bin/images/sidecar_injector.tar \
	  --entrypoint /usr/local/bin/sidecar-injector \
	  bin/linux-$(ARCH)/sidecar-injector:/usr/local/bin/sidecar-injector \
	  bin/linux-$(ARCH)/cert-bootstrap:/usr/local/bin/cert-bootstrap
	@bin/image --arch $(ARCH) --ref $(HUB)/demo:$(TAG) --out bin/images/demo.tar \
	  bin/linux-$(ARCH)/workload:/usr/local/bin/workload

push: image ## push the images to HUB=registry/name with your Docker login
	@test "$(HUB)" != sidecar-injector.local || { echo "push: say where to: make push HUB=registry.example.com/you" >&2; exit 2; }
	@bin/image --arch $(ARCH) --ref $(HUB)/sidecar_injector:$(TAG) --push \
	  --entrypoint /usr/local/bin/sidecar-injector \
	  bin/linux-$(ARCH)/sidecar-injector:/usr/local/bin/sidecar-injector \
	  bin/linux-$(ARCH)/cert-bootstrap:/usr/local/bin/cert-bootstrap
	@bin/image --arch $(ARCH) --ref $(HUB)/demo:$(TAG) --push \
	  bin/linux-$(ARCH)/workload:/usr/local/bin/workload

# The programs as they go into the image, whatever this machine is.
bin/linux-$(ARCH): FORCE
	@echo "build    $@"
	@mkdir -p $@
	@GOOS=linux GOARCH=$(ARCH) $(GO_BUILD) -o $@/ ./cmd/sidecar-injector ./cmd/cert-bootstrap ./scripts/demo/workload

## ---- see it work

# KUBECONFIG given: that cluster, with images from HUB. Not given: the embedded
# cluster, which is started when it is not running.
demo: build bin/helm bin/demo ## install, inject, upgrade: on the embedded cluster, or on KUBECONFIG's
ifdef KUBECONFIG
	@$(MAKE) --no-print-directory push
	@bin/demo --kubeconfig "$(KUBECONFIG)" --hub $(HUB) --tag $(TAG) --next "kubectl get nodes"
else
	@$(MAKE) --no-print-directory image
	@$(CLUSTER) up --name $(DEMO_CLUSTER)
	@$(CLUSTER) load-image --name $(DEMO_CLUSTER) bin/images/sidecar_injector.tar bin/images/demo.tar
	@bin/demo --kubeconfig "$$($(CLUSTER) kubeconfig --name $(DEMO_CLUSTER))" --hub $(HUB) --tag $(TAG) \
	  --next 'export KUBECONFIG=$$(make -s kubeconfig)'
endif

kubeconfig: ## the path of the embedded cluster's kubeconfig
	@$(CLUSTER) kubeconfig --name $(DEMO_CLUSTER)

down: ## remove the embedded cluster
	@$(CLUSTER) down --name $(DEMO_CLUSTER)

KIND_CLUSTER := sidecar-injector
bin/kind: FORCE
	@echo "build    $@"
	@cd scripts/tools && $(GO) build -o ../../$@ sigs.k8s.io/kind

kind: build bin/helm bin/demo bin/kind image ## the demo in kind, on a machine with Docker
	@docker version >/dev/null 2>&1 || { echo "kind: no Docker engine answers on this machine; 'make demo' needs none" >&2; exit 1; }
	@bin/kind get clusters | grep -qx $(KIND_CLUSTER) || bin/kind create cluster --name $(KIND_CLUSTER) --wait 120s
	@bin/kind load image-archive --name $(KIND_CLUSTER) bin/images/sidecar_injector.tar
	@bin/kind load image-archive --name $(KIND_CLUSTER) bin/images/demo.tar
	@bin/kind get kubeconfig --name $(KIND_CLUSTER) > bin/kind.kubeconfig
	@bin/demo --kubeconfig bin/kind.kubeconfig --hub $(HUB) --tag $(TAG) --next 'export KUBECONFIG=$(CURDIR)/bin/kind.kubeconfig'

## ---- prove it

test: lint unit conformance integration e2e ## everything that proves the project
	@echo "test: all passed"

unit: ## unit tests of every module
	$(GO) test ./...
	cd scripts/tools && $(GO) test ./...
	cd scripts/cluster && $(GO) test ./...

lint: tools ## formatting, vet, staticcheck
	@scripts/lint.sh

tools:
	@cd scripts/tools && $(GO) build -o ../../bin/ mvdan.cc/gofumpt honnef.co/go/tools/cmd/staticcheck

e2e: build image bin/helm ## the path of every user, on a real node
	@$(call measured,e2e,$(GO) test -tags e2e -count=1 -timeout 20m ./test/e2e)

# measured NAME,COMMAND: run COMMAND, then print the figures that it recorded.
define measured
mkdir -p $(FIGURES) && rm -f $(FIGURES)/$(1) && FIGURES=$(FIGURES)/$(1) $(2) && cat $(FIGURES)/$(1)
endef

clean: ## remove what was built here (not the embedded cluster's cache)
	rm -rf bin dist

FORCE:
