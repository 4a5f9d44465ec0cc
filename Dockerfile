# The image of the injector: two static binaries, an unprivileged user, nothing
# else. Docker and buildah build it; `make image` packs the same without either.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS=linux TARGETARCH VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY internal internal
COPY pkg pkg
RUN mkdir -p /out && CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
    -ldflags "-s -w -X main.version=$VERSION" -o /out/ ./cmd/sidecar-injector ./cmd/cert-bootstrap

FROM scratch
COPY --from=build /out/sidecar-injector /out/cert-bootstrap /usr/local/bin/
COPY LICENSE THIRD_PARTY_NOTICES.txt /licenses/
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/sidecar-injector"]
