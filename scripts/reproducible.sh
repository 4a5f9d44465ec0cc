#!/bin/sh
# usage: reproducible.sh [--shared-cache]
# Builds programs and image archives twice, from copies of the tracked files in two
# directories, and compares the digests of all of them. Each copy has a cache of
# its own, so that everything is compiled twice; with --shared-cache what the first
# has compiled is taken by the second where Go takes the two for the same, which is
# seconds in place of minutes.
set -eu
cd "$(dirname "$0")/.."
shared=
for arg; do
  case $arg in
  --shared-cache) shared=$(${GO:-go} env GOCACHE) ;;
  *) echo "reproducible: unknown argument $arg, only --shared-cache is known" >&2; exit 2 ;;
  esac
done
version=$(git describe --tags --always 2>/dev/null || echo dev)
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT

# Names of different length, at different depth. Both are copied before anything is
# built, because the checkout may change meanwhile.
copies="one another/place/of-a-longer-name"
for copy in $copies; do
  mkdir -p "$work/$copy"
  git ls-files -z | xargs -0 tar -cf - | tar -xf - -C "$work/$copy"
done
for copy in $copies; do
  dir=$work/$copy
  # The umask of whoever builds must not show either.
  (
    cd "$dir"
    [ "$copy" = one ] || umask 077
    GOCACHE=${shared:-$dir/.cache} make --no-print-directory ${GO:+GO="$GO"} VERSION="$version" build image >build.log 2>&1 || { cat build.log >&2; exit 1; }
    sha256sum bin/sidecar-injector bin/cert-bootstrap bin/kubectl-sidecar bin/linux-*/sidecar-injector bin/linux-*/cert-bootstrap bin/images/*.tar
  ) >"$work/digests.$(basename "$copy")"
  rm -rf "$dir"
done
if ! diff "$work/digests.one" "$work/digests.of-a-longer-name" >"$work/difference"; then
  echo "reproducible: two builds of one commit differ:" >&2
  cat "$work/difference" >&2
  exit 1
fi
echo "reproducible: programs and images $(wc -l <"$work/digests.one" | tr -d ' '), built twice${shared:+ with one cache}, different 0, digest of all $(sha256sum <"$work/digests.one" | cut -c1-16)"
