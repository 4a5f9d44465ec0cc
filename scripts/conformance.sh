#!/bin/sh
# Compares with the corpora of the reference injectors and prints one line. The
# corpora are in the folder that CONFORMANCE names; without it there is nothing
# to compare with, which is said and is no failure.
set -u
cd "$(dirname "$0")/.."
if [ -z "${CONFORMANCE:-}" ]; then
  echo "conformance: skipped, because CONFORMANCE names no folder of corpora"
  exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test -count=1 -v -run '^TestConformance' ./pkg/inject ./pkg/workload >"$log" 2>&1
status=$?
if [ "$status" -ne 0 ]; then
  grep -v -e '^=== ' -e '--- PASS' "$log"
fi
awk '
  /^conformance: admission current / { admission = $4 " of " $6 }
  /^conformance: admission classic / { classic = $4 " of " $6 }
  /^conformance: manifest / { manifest = $3 " of " $5 }
  END {
    if (admission == "" || manifest == "" || classic == "") { print "conformance: a part of the corpora was not compared"; exit 1 }
    printf "conformance: admission %s, manifest %s, classic %s\n", admission, manifest, classic
  }' "$log" || status=1
exit "$status"
