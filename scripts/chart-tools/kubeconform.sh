#!/bin/sh
# Every object of the chart, with every ci and example values file, against the
# schemas of bin/schemas. Prints what is wrong and fails, or prints one line.
set -eu
cd "$(dirname "$0")/../.."
chart=charts/istio-sidecar-injector
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
files=0 objects=0 failed=0
for values in "$chart"/ci/*-values.yaml "$chart"/examples/*.yaml; do
  files=$((files + 1))
  bin/helm template release "$chart" --namespace namespace --values "$values" >"$tmp/objects.yaml"
  if bin/chart-tools/kubeconform -strict -summary -output text \
    -schema-location 'bin/schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json' "$tmp/objects.yaml" >"$tmp/said" 2>&1; then
    count=$(sed -n 's/^Summary: \([0-9]*\) resources\{0,1\} found.*/\1/p' "$tmp/said")
    [ "${count:-0}" -gt 0 ] || { echo "kubeconform: no object with $values" >&2; exit 1; }
    objects=$((objects + count))
  else
    failed=$((failed + 1))
    echo "$values:" >&2
    cat "$tmp/said" >&2
  fi
done
echo "kubeconform: values files $files, objects $objects, failed $failed"
[ "$failed" = 0 ]
