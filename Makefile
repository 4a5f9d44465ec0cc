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
# what the other has in the cache. Where git tells nothing, as in an unpacked
# archive or in somebody else's clone, it builds without the commit.
export GOFLAGS := -trimpath $(shell git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false) $(GOFLAGS)

LDFLAGS  := -s -w -X main.version=$(VERSION)
GO_BUILD  = $(GO) build -ldflags "$(LDFLAGS)"
CLUSTER   = scripts/cluster/embedded-cluster
FIGURES   = $(CURDIR)/bin/figures

.DELETE_ON_ERROR:
.PHONY: help build unit mistakes lint licences licences-update reproducible reproducible-short vulnerabilities test integration conformance fuzz mutants e2e e2e-rotation e2e-certjob e2e-heal e2e-rbac e2e-config podcheck hostile image push demo kind kubeconfig down clean tools FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## ---- build

build: bin/sidecar-injector bin/cert-bootstrap bin/kubectl-sidecar ## the three programs into bin/

bin/sidecar-injector bin/cert-bootstrap bin/kubectl-sidecar: FORCE
	@echo "build    $@"
	@$(GO_BUILD) -o $@ ./cmd/$(@F)

# Helm as pinned in go.mod: what the demo and the tests install with. The flags
# are those of its releases: without them it renders and lints for Kubernetes 1.20.
HELM_FLAGS := $(foreach p,pkg/chartutil pkg/lint/rules,-X helm.sh/helm/v3/$(p).k8sVersionMajor=1 -X helm.sh/helm/v3/$(p).k8sVersionMinor=36)
bin/helm: FORCE
	@echo "build    $@"
	@$(GO) build -ldflags "$(HELM_FLAGS)" -o $@ helm.sh/helm/v3/cmd/helm

bin/demo: FORCE
	@echo "build    $@"
	@$(GO) build -o $@ ./scripts/demo

bin/image: FORCE
	@echo "build    $@"
	@cd scripts/tools && $(GO) build -o ../../$@ ./image

## ---- images

# What licences demand to be handed on with the programs.
NOTICES     := THIRD_PARTY_NOTICES.txt
IMAGE_TEXTS := LICENSE:/licenses/LICENSE $(NOTICES):/licenses/$(NOTICES)

image: bin/image bin/linux-$(ARCH) ## container images as archives in bin/images/
	@bin/image --arch $(ARCH) --ref $(HUB)/sidecar_injector:$(TAG) --out bin/images/sidecar_injector.tar \
	  --entrypoint /usr/local/bin/sidecar-injector \
	  bin/linux-$(ARCH)/sidecar-injector:/usr/local/bin/sidecar-injector \
	  bin/linux-$(ARCH)/cert-bootstrap:/usr/local/bin/cert-bootstrap $(IMAGE_TEXTS)
	@bin/image --arch $(ARCH) --ref $(HUB)/demo:$(TAG) --out bin/images/demo.tar \
	  bin/linux-$(ARCH)/workload:/usr/local/bin/workload

push: hub-given image ## push the images to HUB=registry/name with your Docker login
	@bin/image --arch $(ARCH) --ref $(HUB)/sidecar_injector:$(TAG) --push \
	  --entrypoint /usr/local/bin/sidecar-injector \
	  bin/linux-$(ARCH)/sidecar-injector:/usr/local/bin/sidecar-injector \
	  bin/linux-$(ARCH)/cert-bootstrap:/usr/local/bin/cert-bootstrap $(IMAGE_TEXTS)
	@bin/image --arch $(ARCH) --ref $(HUB)/demo:$(TAG) --push \
	  bin/linux-$(ARCH)/workload:/usr/local/bin/workload

# Asked before anything is built.
.PHONY: hub-given demo-possible
hub-given:
	@test "$(HUB)" != sidecar-injector.local || { echo "make: say which registry the images go to: HUB=registry.example.com/you" >&2; exit 2; }

# The programs as they go into the image, whatever this machine is.
bin/linux-$(ARCH): FORCE
	@echo "build    $@"
	@mkdir -p $@
	@GOOS=linux GOARCH=$(ARCH) $(GO_BUILD) -o $@/ ./cmd/sidecar-injector ./cmd/cert-bootstrap ./scripts/demo/workload

## ---- see it work

# KUBECONFIG given: that cluster, with images from HUB. Not given: the embedded
# cluster, which is started when it is not running. Given means on the command
# line: one that is only in the environment, as after a demo, or as everybody's
# who works with clusters, does not send the demo there.
DEMO_ELSEWHERE := $(filter command line,$(origin KUBECONFIG))
ifdef DEMO_ELSEWHERE
demo-possible: hub-given
else
demo-possible:
	@test "$$(id -u)" = 0 || { echo "make: the embedded cluster needs root: sudo env PATH=\"\$$PATH\" make demo; or name a cluster of yours: make demo KUBECONFIG=... HUB=..." >&2; exit 1; }
endif

demo: demo-possible build bin/helm bin/demo ## install, inject, upgrade: on the embedded cluster, or on KUBECONFIG's
ifdef DEMO_ELSEWHERE
	@$(MAKE) --no-print-directory push
	@bin/demo --kubeconfig "$(KUBECONFIG)" --hub $(HUB) --tag $(TAG) --next "kubectl get nodes"
else
	@$(MAKE) --no-print-directory image
	@$(CLUSTER) up --name $(DEMO_CLUSTER)
	@$(CLUSTER) load-image --name $(DEMO_CLUSTER) bin/images/sidecar_injector.tar bin/images/demo.tar
	@ln -sf "$$($(CLUSTER) status --name $(DEMO_CLUSTER) -o json | sed -n 's/.*"kubectl": "\(.*\)".*/\1/p')" bin/kubectl
	@bin/demo --kubeconfig "$$($(CLUSTER) kubeconfig --name $(DEMO_CLUSTER))" --hub $(HUB) --tag $(TAG) \
	  --next 'export KUBECONFIG=$$(make -s kubeconfig) PATH=$$PWD/bin:$$PATH'
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

test: lint licences reproducible-short unit race-short conformance chart integration hostile e2e e2e-chart e2e-config ct ## everything that proves the project
	@echo && cat $(addprefix $(FIGURES)/,rotation certjob heal rbac callers podcheck hostile e2e e2e-chart config ct)
	@test -n "$$CONFORMANCE" || echo "test: skipped the conformance corpora, because CONFORMANCE names no folder"
	@echo "test: all passed"

mistakes: ## 60 mistakes and more in configurations, each with the exact message and the place that it names
	@$(GO) test -count=1 -v ./test/mistakes | awk '/^mistakes: / { print } /^ *--- FAIL|^FAIL|_test.go:/ { print; failed = 1 } END { exit failed }'

unit: mistakes ## unit tests of every module
	$(GO) test ./...
	cd scripts/tools && $(GO) test ./...
	cd scripts/cluster && $(GO) test ./...
	cd scripts/release && $(GO) test ./...
	cd scripts/chart-tools && $(GO) test ./...
	cd scripts/chart-tools/kubeschemas && $(GO) test ./...

# What several goroutines share: reloads, and the configuration that is swapped
# under load. The race detector needs a C compiler.
RACE_PACKAGES := ./internal/source ./pkg/reload
.PHONY: race race-short
race race-short: ## what is shared, under the race detector, while configurations are swapped under load
	@if command -v "$$(CGO_ENABLED=1 $(GO) env CC)" >/dev/null; then \
	  CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 10m -skip Bombs $(if $(filter race-short,$@),-short) $(RACE_PACKAGES); \
	else echo "race: skipped, because there is no C compiler"; fi

lint: tools ## formatting, vet, staticcheck, needless exports
	@scripts/lint.sh

tools:
	@cd scripts/tools && $(GO) build -o ../../bin/ mvdan.cc/gofumpt honnef.co/go/tools/cmd/staticcheck ./exports

# Every module that is linked into a program, on every platform that releases have.
LICENCES = bin/licences -allow scripts/tools/licences/allowed.txt -o $(NOTICES) -platforms linux/amd64,linux/arm64,darwin/amd64,darwin/arm64
PROGRAMS := ./cmd/sidecar-injector ./cmd/cert-bootstrap ./cmd/kubectl-sidecar
bin/licences: FORCE
	@cd scripts/tools && $(GO) build -o ../../$@ ./licences

licences: bin/licences ## the licences of what is linked in, against the allowed ones and the list in THIRD_PARTY_NOTICES.txt
	@$(LICENCES) -check $(PROGRAMS)

licences-update: bin/licences ## write THIRD_PARTY_NOTICES.txt anew; read the difference before committing
	@$(LICENCES) $(PROGRAMS)

reproducible: ## programs and images built twice, in two directories: one digest; with caches of their own, which takes minutes
	@GO="$(GO)" scripts/reproducible.sh

reproducible-short: ## the same with one cache, which takes seconds
	@GO="$(GO)" scripts/reproducible.sh --shared-cache

# Needs the database of vuln.go.dev.
vulnerabilities: ## known vulnerabilities in what the programs call, by govulncheck
	@cd scripts/tools && $(GO) build -o ../../bin/ golang.org/x/vuln/cmd/govulncheck
	@bin/govulncheck ./cmd/...

e2e: build image bin/helm bin/demo ## the path of every user, and README's commands, on a real node
	@$(call measured,e2e,$(GO) test -tags e2e -count=1 -timeout 20m ./test/e2e)

conformance: ## compare with the reference injectors' corpora, from the folder in CONFORMANCE
	@scripts/conformance.sh

fuzz: ## every fuzz target for FUZZTIME each
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

# Against a real control plane, without a node: some seconds to start.
integration: e2e-rotation e2e-certjob e2e-heal e2e-rbac e2e-callers podcheck ## certificates under load and under attack, who may touch them, and who is answered
	scripts/with-cluster.sh integration $(GO) test -tags integration -count=1 ./cmd/... ./pkg/inject ./internal/dryrun

podcheck: ## what is said about pods, compared with what an API server says about them
	@$(call measured,podcheck,scripts/with-cluster.sh podcheck $(GO) test -tags integration -count=1 -v -run TestAgainstAPIServer ./internal/podcheck)

e2e-rotation: build ## pods created without a pause while leaf and CA rotate
	@$(call measured,rotation,$(GO) test -tags integration -count=1 -timeout 10m ./test/rotation)

e2e-certjob: ## the same with certs.bootstrap=job: a job renews, the servers only read
	@$(call measured,certjob,$(GO) test -tags integration -count=1 -timeout 10m ./test/certjob)

e2e-heal: build bin/helm ## everything that can happen to Secret and caBundle
	@$(call measured,heal,$(GO) test -tags integration -count=1 -timeout 10m ./test/heal)

# HOSTILE=long: each attack goes on for 8 s, and those that wait for the server's
# own time limits come one after the other.
hostile: build ## attacks on the real server in 256 MiB while a good client calls: make hostile HOSTILE=long
	@$(call measured,hostile,HOSTILE=$(HOSTILE) $(GO) test -tags integration -count=1 -timeout 60m ./test/hostile)

e2e-rbac: bin/helm ## what the chart's service accounts may do, asked of an API server
	@$(call measured,rbac,$(GO) test -tags integration -count=1 -timeout 10m ./test/rbac)

e2e-callers: build ## a server that authenticates its callers answers the API server and nobody else
	@$(call measured,callers,$(GO) test -tags integration -count=1 -timeout 10m ./test/callers)

# An injector whose templates have no function swapcase: what an upgrade meets that
# brings a template and the function it needs.
OLDER     := bin/older
FUNCTIONS := pkg/render/internal/functions/sprig.go
.PHONY: image-older
image-older: bin/image
	@mkdir -p $(OLDER) bin/images && sed 's/^\t\t"env", /&"swapcase", /' $(FUNCTIONS) > $(OLDER)/sprig.txt && ! cmp -s $(FUNCTIONS) $(OLDER)/sprig.txt
	@printf '{"Replace": {"%s": "%s"}}' $(CURDIR)/$(FUNCTIONS) $(CURDIR)/$(OLDER)/sprig.txt > $(OLDER)/overlay.json
	@GOOS=linux GOARCH=$(ARCH) $(GO_BUILD) -overlay $(OLDER)/overlay.json -o $(OLDER)/ ./cmd/sidecar-injector ./cmd/cert-bootstrap
	@bin/image --arch $(ARCH) --ref $(HUB)/sidecar_injector:older --out bin/images/older.tar --entrypoint /usr/local/bin/sidecar-injector \
	  $(OLDER)/sidecar-injector:/usr/local/bin/sidecar-injector $(OLDER)/cert-bootstrap:/usr/local/bin/cert-bootstrap

# CONFIG=long: every mistake in every way, with servers restarted after each.
# CONFIG_CASES picks mistakes by parts of their names.
e2e-config: image image-older bin/helm bin/helm4 ## every mistake in a configuration, by helm, kubectl edit and apply, with the guard and without: make e2e-config CONFIG=long
	@$(call measured,config,CONFIG=$(CONFIG) CONFIG_CASES='$(CONFIG_CASES)' $(GO) test -tags e2e -count=1 -timeout 4h ./test/badconfig)

# measured NAME,COMMAND: run COMMAND, then print the figures that it recorded,
# those of failures too.
define measured
mkdir -p $(FIGURES) && rm -f $(FIGURES)/$(1); FIGURES=$(FIGURES)/$(1) $(2); status=$$?; cat $(FIGURES)/$(1) 2>/dev/null; exit $$status
endef

# Packages with rules of their own; each takes minutes, so test does not run it.
# MATCH tries only the changes whose "file:line:column KIND: line" matches.
PACKAGES ?= $(addprefix ./pkg/,decide status proxy annotations classic webhookcfg admission certs patch podmodel merge render render/internal/partial render/internal/functions inject workload config reload health pki metrics) ./internal/control
MATCH    ?=
bin/mutants: FORCE
	@echo "build    bin/mutants"
	@cd scripts/tools && $(GO) build -o ../../bin/ ./mutants github.com/go-gremlins/gremlins/cmd/gremlins

mutants: bin/mutants ## change one operator at a time and see whether tests fail: make mutants PACKAGES=./pkg/decide
	@bin/mutants --gremlins $(CURDIR)/bin/gremlins --equivalents scripts/tools/mutants/equivalent.txt $(if $(MATCH),--match '$(MATCH)') $(PACKAGES)

clean: ## remove what was built here (not the embedded cluster's cache)
	rm -rf bin dist

FORCE:

## ---- the chart

CHART       := charts/istio-sidecar-injector
CHART_TOOLS := bin/chart-tools
PINNED      := ct helm-docs helm-unittest kubeconform
SCHEMAS     := bin/schemas
CRDS        := cert-manager.io_certificates cert-manager.io_issuers monitoring.coreos.com_podmonitors monitoring.coreos.com_servicemonitors monitoring.coreos.com_prometheusrules

.PHONY: template-docs chart chart-version chart-tools chart-lint chart-unit chart-unit-update kubeconform chart-docs verify-chart-docs chart-rules

chart: chart-lint chart-unit kubeconform verify-chart-docs chart-rules ## every proof of the chart that needs no cluster

chart-tools: $(addprefix $(CHART_TOOLS)/,$(PINNED) charttool promtool kubeschemas controller-gen) bin/helm ## the tools that prove the chart, as pinned in scripts/chart-tools

# Pinned tools are built anew when a pin changes, and only then: they are large.
$(addprefix $(CHART_TOOLS)/,$(PINNED)): $(CHART_TOOLS)/%: scripts/chart-tools/go.mod scripts/chart-tools/go.sum
	@echo "build    $@"
	@cd scripts/chart-tools && $(GO) build -o ../../$@ $$($(GO) list tool | grep '/$*$$')

$(CHART_TOOLS)/charttool: FORCE
	@cd scripts/chart-tools && $(GO) build -o ../../$@ ./charttool

$(CHART_TOOLS)/kubeschemas: FORCE
	@cd scripts/chart-tools/kubeschemas && $(GO) build -o ../../../$@ .

$(CHART_TOOLS)/controller-gen: scripts/chart-tools/kubeschemas/go.mod
	@echo "build    $@"
	@cd scripts/chart-tools/kubeschemas && $(GO) build -o ../../../$@ $$($(GO) list tool)

# Without service discovery, which rule tests do not use, it builds in half the time.
$(CHART_TOOLS)/promtool: scripts/chart-tools/promtool/go.mod
	@echo "build    $@"
	@cd scripts/chart-tools/promtool && $(GO) build -tags remove_all_sd -o ../../../$@ $$($(GO) list tool)

# Helm 4, for the scenarios that upgrade with server-side apply.
bin/helm4: scripts/chart-tools/go.mod scripts/chart-tools/go.sum
	@echo "build    $@"
	@cd scripts/chart-tools && $(GO) build -o ../../$@ helm.sh/helm/v4/cmd/helm

chart-lint: $(addprefix $(CHART_TOOLS)/,ct charttool) bin/helm ## ct lint with every values file, yamllint, JSON schemas
	@scripts/chart-tools/lint.sh

# A chart that differs from that of CHART_SINCE must have a higher version.
CHART_SINCE := origin/main
chart-version: $(CHART_TOOLS)/ct bin/helm
	@PATH="$(CURDIR)/bin:$$PATH" $(CHART_TOOLS)/ct lint --config ct.yaml --remote $(firstword $(subst /, ,$(CHART_SINCE))) --target-branch $(patsubst $(firstword $(subst /, ,$(CHART_SINCE)))/%,%,$(CHART_SINCE)) \
	  --check-version-increment=true --validate-chart-schema=false --validate-yaml=false

chart-unit: $(CHART_TOOLS)/helm-unittest ## helm-unittest suites with snapshots
	@$(CHART_TOOLS)/helm-unittest --strict $(CHART)

chart-unit-update: $(CHART_TOOLS)/helm-unittest ## write the snapshots anew; read the difference before committing
	@$(CHART_TOOLS)/helm-unittest --strict --update-snapshot $(CHART)

kubeconform: $(CHART_TOOLS)/kubeconform $(SCHEMAS)/.made bin/helm ## every object against strict schemas of its kind
	@scripts/chart-tools/kubeconform.sh

# From the API description of the Kubernetes version that the embedded cluster
# runs, and from the Go types of the custom resources.
$(SCHEMAS)/.made: scripts/cluster/parts/kubernetes/go.mod scripts/chart-tools/kubeschemas/go.mod $(wildcard scripts/chart-tools/kubeschemas/*.go) | $(CHART_TOOLS)/kubeschemas $(CHART_TOOLS)/controller-gen
	@rm -rf $(SCHEMAS) && mkdir -p $(SCHEMAS)/crds $(SCHEMAS)/all
	@cd scripts/chart-tools/kubeschemas && $(CURDIR)/$(CHART_TOOLS)/controller-gen crd:maxDescLen=0 output:crd:dir=$(CURDIR)/$(SCHEMAS)/all $$(sed -n 's|^\t_ "\(.*\)"|paths=\1|p' types/types.go)
	@cd $(SCHEMAS)/all && mv $(addsuffix .yaml,$(CRDS)) ../crds && rm -r ../all
	@$(CHART_TOOLS)/kubeschemas --crds $(SCHEMAS)/crds --out $(SCHEMAS) \
	  --swagger "$$(cd scripts/cluster/parts/kubernetes && $(GO) mod download && $(GO) list -m -f '{{.Dir}}' k8s.io/kubernetes)/api/openapi-spec/swagger.json"
	@touch $@

template-docs: ## docs/templates.md from the code; read the difference before committing
	@$(GO) test ./test/templatedocs -update

chart-docs: $(CHART_TOOLS)/helm-docs ## the chart's README from its values
	@$(CHART_TOOLS)/helm-docs --chart-search-root $(CHART) --sort-values-order file --log-level warning

verify-chart-docs: $(CHART_TOOLS)/helm-docs ## fail when the chart's README is not what chart-docs writes
	@$(CHART_TOOLS)/helm-docs --chart-search-root $(CHART) --sort-values-order file --log-level warning --dry-run | diff -u $(CHART)/README.md - \
	  || { echo "$(CHART)/README.md is not up to date: run 'make chart-docs'" >&2; exit 1; }
	@echo "chart-docs: ok"

chart-rules: $(addprefix $(CHART_TOOLS)/,promtool charttool) bin/helm ## the alerts on sample series
	@bin/helm template istio-sidecar-injector $(CHART) --namespace istio-system --show-only templates/prometheusrule.yaml --set metrics.prometheusRule.enabled=true \
	  | $(CHART_TOOLS)/charttool rules > bin/chart-rules.yaml
	@$(CHART_TOOLS)/promtool check rules --lint-fatal bin/chart-rules.yaml
	@$(CHART_TOOLS)/promtool test rules scripts/chart-tools/promtool/rules_test.yaml

# Scenarios and chart-testing on a cluster: the embedded one, or LAB_KUBECONFIG's.
.PHONY: ct e2e-chart chart-kind release
CHART_CLUSTER_NEEDS := image bin/helm bin/helm4 $(SCHEMAS)/.made

e2e-chart: $(CHART_CLUSTER_NEEDS) ## the chart's promises on a real node, one line each
	@$(call measured,e2e-chart,$(GO) test -tags e2e -count=1 -timeout 15m -run TestScenarios ./test/chartscenarios)

ct: $(CHART_CLUSTER_NEEDS) $(addprefix $(CHART_TOOLS)/,ct charttool) ## chart-testing: ct lint and ct install with every values file
	@scripts/chart-tools/lint.sh
	@$(call measured,ct,$(GO) test -tags e2e -count=1 -timeout 15m -run TestChartTesting ./test/chartscenarios)

# Both in kind, on a machine with Docker; KIND_IMAGE picks the Kubernetes version.
CHART_KIND := sidecar-injector-chart
chart-kind: bin/kind image ## scenarios and chart-testing in kind: make chart-kind KIND_IMAGE=kindest/node:vX.Y.Z
	@docker version >/dev/null 2>&1 || { echo "chart-kind: no Docker engine answers on this machine; 'make e2e-chart ct' needs none" >&2; exit 1; }
	@bin/kind create cluster --name $(CHART_KIND) --wait 120s $(if $(KIND_IMAGE),--image $(KIND_IMAGE))
	@bin/kind load image-archive --name $(CHART_KIND) bin/images/sidecar_injector.tar
	@bin/kind load image-archive --name $(CHART_KIND) bin/images/demo.tar
	@bin/kind get kubeconfig --name $(CHART_KIND) > bin/chart-kind.kubeconfig
	@LAB_KUBECONFIG=$(CURDIR)/bin/chart-kind.kubeconfig $(MAKE) --no-print-directory e2e-chart ct; status=$$?; bin/kind delete cluster --name $(CHART_KIND); exit $$status

release: bin/helm ## chart, images for amd64 and arm64, plugin, bill of materials and checksums into dist/
	@GO="$(GO)" scripts/release/release.sh $(RELEASE_FLAGS)

## ---- measure it

# CONFORMANCE names the reference injectors' corpora, whose configurations the
# targets refer to; without it, the chart's defaults are measured. The machine
# should have nothing else to do.
BENCH       := bin/bench
BENCH_OUT   ?= bin/figures
BENCH_FLAGS ?=
# How many requests bench-memory sends to see whether memory stays flat: by
# default as many as take a minute. The record is about a million, which takes
# 10 to 30 minutes.
REQUESTS    ?=
RECORDED    := docs/performance
COMMIT       = $(shell git describe --always --dirty 2>/dev/null)

.PHONY: bench bench-against bench-memory bench-cluster bench-json bench-compare bench-baseline bench-record bench-docs

$(BENCH): FORCE
	@echo "build    $@"
	@$(GO) build -o $@ ./test/bench/cmd/bench

bench: $(BENCH) ## what one request costs against the floor, with verdicts
	@$(BENCH) request -commit "$(COMMIT)" -o $(BENCH_OUT)/request.json $(BENCH_FLAGS)
	@echo && $(BENCH) largest

# Another commit is built beside this one, and both measure by turns, so that what
# else the machine does meets both.
SINCE ?= HEAD~1
TURNS ?= 3
AGAINST := bin/against
bench-against: $(BENCH) ## what one request costs against the commit SINCE, by turns
	@rm -rf $(AGAINST) && git worktree prune && git worktree add --quiet --force --detach $(AGAINST)/tree $(SINCE)
	@cd $(AGAINST)/tree && $(GO) build -o ../bench ./test/bench/cmd/bench
	@for i in $$(seq $(TURNS)); do \
	  (cd $(AGAINST)/tree && ../bench request -sizes=false -commit "$$(git rev-parse --short HEAD)" -o ../base$$i.json >/dev/null) && \
	  $(BENCH) request -sizes=false -commit "$(COMMIT)" -o $(AGAINST)/now$$i.json >/dev/null || exit 1; \
	done; git worktree remove --force $(AGAINST)/tree
	@$(BENCH) against -base $$(ls $(AGAINST)/base*.json | paste -sd,) -now $$(ls $(AGAINST)/now*.json | paste -sd,)

# The simplest webhook that there can be, with the injector's own way of building.
bin/bench-simplest: FORCE
	@echo "build    $@"
	@$(GO_BUILD) -o $@ ./test/bench/cmd/simplest

bench-memory: $(BENCH) bin/sidecar-injector bin/bench-simplest ## memory, readiness and processor time of the real server
	@$(BENCH) memory -commit "$(COMMIT)" -o $(BENCH_OUT)/memory.json $(if $(REQUESTS),-requests $(REQUESTS)) $(BENCH_FLAGS)

bench-cluster: $(BENCH) bin/sidecar-injector ## pod creation through an API server, against policy and plain webhooks
	@$(BENCH) cluster -commit "$(COMMIT)" -o $(BENCH_OUT)/cluster.json $(if $(ROUNDS),-rounds $(ROUNDS)) $(BENCH_FLAGS)

bench-json: ## JSON libraries on pods; differences from the API server's decoder fail
	@cd test/jsonbench && $(GO) test . && GOEXPERIMENT=jsonv2 $(GO) test .
	@mkdir -p $(BENCH_OUT) && rm -f $(BENCH_OUT)/json.json
	@cd test/jsonbench && $(GO) run ./cmd/jsonbench -o $(abspath $(BENCH_OUT))/json.json
	@cd test/jsonbench && GOEXPERIMENT=jsonv2 $(GO) run ./cmd/jsonbench -o $(abspath $(BENCH_OUT))/json.json | grep GOEXPERIMENT

# Always with the chart's defaults, so that everybody compares the same.
BENCH_GO = CONFORMANCE= BENCH_PODS= $(GO) test -run '^$$' -bench 'Request|Stage' -benchtime 100ms -count 6 ./test/bench/engine

bench-compare: ## Go benchmarks against the committed baseline, by benchstat
	@mkdir -p $(BENCH_OUT) && $(BENCH_GO) > $(BENCH_OUT)/now.txt
	@cd test/benchdocs && $(GO) tool benchstat $(CURDIR)/test/bench/baseline.txt $(abspath $(BENCH_OUT))/now.txt

bench-baseline: ## record today's Go benchmarks as the baseline
	@$(BENCH_GO) > test/bench/baseline.txt

bench-record: ## measure everything anew for docs/performance.md
	@$(MAKE) --no-print-directory bench bench-memory bench-cluster bench-json bench-docs BENCH_OUT=$(RECORDED) REQUESTS=$(or $(REQUESTS),1000000) ROUNDS=$(or $(ROUNDS),100)

bench-docs: ## tables and plots of docs/performance.md from the recorded figures
	@cd test/benchdocs && $(GO) run ./cmd/benchdocs $(CURDIR)
