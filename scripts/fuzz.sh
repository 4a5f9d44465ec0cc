#!/bin/sh
# Runs every fuzz target for FUZZTIME (default 20s) each, one after the other,
# and prints one line. A crash's input stays in the package's testdata/fuzz, to
# be committed as a regression case.
set -u
cd "$(dirname "$0")/.."
time=${FUZZTIME:-20s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
targets=0 executions=0 crashes=0 idle=0
for package in $(git grep -l '^func Fuzz' -- 'pkg/*_test.go' | xargs -n1 dirname | sort -u); do
  for target in $(go test -list '^Fuzz' "./$package" | grep '^Fuzz'); do
    targets=$((targets + 1))
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$package" >"$log" 2>&1
    status=$?
    n=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -1)
    executions=$((executions + ${n:-0}))
    # The fuzzer itself sometimes reports its own deadline as a failure when the
    # machine is busy; only an input that it wrote down, or an end without one
    # execution, is a find.
    if [ "$status" -ne 0 ] && ! { grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written\|panic' "$log" && [ "${n:-0}" -gt 0 ]; }; then
      crashes=$((crashes + 1))
      cat "$log" >&2
    fi
    echo "fuzz: $package $target, ${n:-0} executions"
    if [ "$status" -eq 0 ] && [ "${n:-0}" -eq 0 ]; then
      echo "fuzz: $package $target did not get through its seeds in $time: give a longer FUZZTIME" >&2
      idle=$((idle + 1))
    fi
  done
done
echo "fuzz: targets $targets, executions $executions, crashes $crashes"
[ "$crashes" -eq 0 ] && [ "$idle" -eq 0 ]
