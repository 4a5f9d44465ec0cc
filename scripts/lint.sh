#!/bin/sh
# Formatting, vet and staticcheck over every module. Prints what is wrong and
# fails, or prints one line.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)

unformatted=$(git ls-files --cached --others --exclude-standard '*.go' | xargs "$root/bin/gofumpt" -l)
if [ -n "$unformatted" ]; then
  printf 'not formatted as gofumpt does it (run: bin/gofumpt -w FILE):\n%s\n' "$unformatted" >&2
  exit 1
fi
for module in . scripts/tools scripts/cluster; do
  (cd "$module" && go vet ./... && "$root/bin/staticcheck" ./...)
done
go vet -tags e2e ./test/...
"$root/bin/staticcheck" -tags e2e ./test/...
echo "lint: ok"
