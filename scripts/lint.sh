#!/bin/sh
# Formatting, vet and staticcheck over every module, and what is exported without
# need. Prints what is wrong and fails, or prints one line.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)

unformatted=$(git ls-files --cached --others --exclude-standard '*.go' | xargs "$root/bin/gofumpt" -l)
if [ -n "$unformatted" ]; then
  printf 'not formatted as gofumpt does it (run: bin/gofumpt -w FILE):\n%s\n' "$unformatted" >&2
  exit 1
fi
check() {
  go vet "$@" && "$root/bin/staticcheck" "$@"
}
# Not the parts of the embedded cluster, whose sources are other people's but for
# a main each.
for module in . scripts/tools scripts/cluster scripts/chart-tools scripts/chart-tools/kubeschemas scripts/release test/benchdocs; do
  (cd "$module" && check ./...)
done
check -tags e2e ./test/...
check -tags integration ./test/... ./cmd/...
(cd scripts/cluster && check -tags e2e ./e2e)
"$root/bin/exports" -allow scripts/tools/exports/allowed.txt .
echo "lint: ok"
