#!/bin/sh
# Lint of the chart: chart-testing (helm lint with every ci values file, yamllint),
# and what chart-testing leaves to Python, Chart.yaml and values against schemas.
# Prints what is wrong and fails, or prints one line.
set -eu
cd "$(dirname "$0")/../.."
chart=charts/istio-sidecar-injector
conf=scripts/chart-tools/lintconf.yaml
PATH=$PWD/bin:$PWD/bin/chart-tools:$PATH
export PATH

yaml=true
scripts/chart-tools/yamllint.sh bin/chart-tools || yaml=false
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! ct lint --config ct.yaml --all --check-version-increment=false --validate-chart-schema=false \
  --validate-yaml="$yaml" --lint-conf "$conf" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
if [ "$yaml" = true ]; then
  yamllint --strict --config-file "$conf" "$chart/Chart.yaml" "$chart/values.yaml" "$chart/ci" "$chart/examples" "$chart/tests"/*.yaml ct.yaml >&2
fi
charttool schema --schema scripts/chart-tools/chart.schema.json "$chart/Chart.yaml"
# Values files hold only what differs, so each is checked over the defaults by
# Helm too; here a misspelt name is found in its own file.
charttool schema --schema "$chart/values.schema.json" "$chart/values.yaml" "$chart"/ci/*-values.yaml "$chart"/examples/*.yaml
echo "chart-lint: charts $(grep -c '^ ✔' "$log"), values files $(grep -c '^Linting chart with values file' "$log"), failed 0"
