#!/bin/sh
# Everything of a release into dist/, of the commit that is checked out:
#   istio-sidecar-injector-V.tgz            the chart
#   sidecar_injector-V.oci.tar              the image, an OCI layout for every platform
#   sidecar_injector-V.spdx.json            its bill of materials
#   kubectl-sidecar_V_OS_ARCH.tar.gz        the kubectl plugin
#   checksums.txt                           SHA-256 of the above, what provenance is made of
#   digest.txt                              the image's reference by digest, what is signed
# The version is the chart's. The same commit gives the same bytes, wherever it
# is built with the same Go. With --push: image and chart go to HUB as well.
set -eu
cd "$(dirname "$0")/../.."
hub=${HUB:-ghcr.io/sidecar-injector}
platforms=${PLATFORMS:-linux/amd64 linux/arm64}
plugins=${PLUGIN_PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}
go=${GO:-go}
chart=charts/istio-sidecar-injector
push=
for arg; do
  case $arg in
  --push) push=--push ;;
  *) echo "release: unknown argument $arg, only --push is known" >&2; exit 2 ;;
  esac
done
fail() { echo "release: $1" >&2; exit 1; }

field() { sed -n "s/^$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$chart/Chart.yaml"; }
version=$(field version)
[ "$version" = "$(field appVersion)" ] || fail "$chart/Chart.yaml: version $version and appVersion $(field appVersion) differ"
tag=$(git tag --points-at HEAD --list 'v[0-9]*' | head -n 1)
[ -z "$tag" ] || [ "$tag" = "v$version" ] || fail "tag $tag is not v and the chart's version $version"
[ -z "$push" ] || [ -n "$tag" ] || fail "only a tagged commit is pushed: git tag v$version"
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
  [ -z "$push" ] || fail "the checkout has changes that are not committed"
  echo "release: the checkout has changes that are not committed; this is a trial" >&2
fi
when=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)

rm -rf dist
mkdir -p dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd scripts/tools && "$go" build -o "$work/image" ./image)
(cd scripts/release && "$go" build -o "$work/release" .)

# build PLATFORM OUT PACKAGE...: static programs that name neither this machine
# nor its folders.
build() {
  os=${1%/*} arch=${1#*/} out=$2
  shift 2
  echo "build    $os/$arch $*"
  mkdir -p "$out"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch "$go" build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$out/" "$@"
}

archives= programs=
for platform in $platforms; do
  dir=$work/image-$(echo "$platform" | tr / -)
  build "$platform" "$dir" ./cmd/sidecar-injector ./cmd/cert-bootstrap
  "$work/image" --arch "${platform#*/}" --ref "$hub/sidecar_injector:$version" --out "$dir.tar" \
    --entrypoint /usr/local/bin/sidecar-injector \
    "$dir/sidecar-injector:/usr/local/bin/sidecar-injector" "$dir/cert-bootstrap:/usr/local/bin/cert-bootstrap" \
    LICENSE:/licenses/LICENSE THIRD_PARTY_NOTICES.txt:/licenses/THIRD_PARTY_NOTICES.txt >/dev/null
  archives="$archives $dir.tar"
  programs="$programs $dir/sidecar-injector $dir/cert-bootstrap"
done
# shellcheck disable=SC2086 # lists
"$work/image" index --ref "$hub/sidecar_injector:$version" --out "dist/sidecar_injector-$version.oci.tar" $push $archives >dist/digest.txt
# shellcheck disable=SC2086
"$work/release" sbom --name sidecar_injector --version "$version" --time "$when" --out "dist/sidecar_injector-$version.spdx.json" $programs

for platform in $plugins; do
  dir=$work/plugin-$(echo "$platform" | tr / -)
  build "$platform" "$dir" ./cmd/kubectl-sidecar
  cp LICENSE THIRD_PARTY_NOTICES.txt "$dir/"
  archive=dist/kubectl-sidecar_${version}_$(echo "$platform" | tr / _).tar.gz
  tar -C "$dir" -czf "$archive" kubectl-sidecar LICENSE THIRD_PARTY_NOTICES.txt
  "$work/release" repack --time "$when" "$archive"
done

bin/helm package "$chart" --destination dist >/dev/null
"$work/release" repack --time "$when" "dist/istio-sidecar-injector-$version.tgz"
(cd dist && sha256sum -- *.tgz *.tar *.json *.gz >checksums.txt)
if [ -n "$push" ]; then
  # Helm says the chart's digest, which is what is signed, to stderr.
  bin/helm push "dist/istio-sidecar-injector-$version.tgz" "oci://$hub/charts" >dist/chart-push.txt 2>&1 || fail "push the chart: $(cat dist/chart-push.txt)"
  cat dist/chart-push.txt
fi
echo "release: $version, $(wc -l <dist/checksums.txt | tr -d ' ') files in dist/, image for $platforms"
