#!/bin/sh
# usage: fuzz.sh [TARGET...]
# Runs every fuzz target, or those named, for FUZZTIME (default 20s) each, one
# after the other, and prints a line for each and one for all. A crash's input
# stays in the package's testdata/fuzz, to be committed as a regression case.
#
# A target that hardly runs proves nothing: it fails with fewer than 1,000
# executions in all, and with fewer than 1,000 a second when neither a comment
# "//fuzz:slow REASON" above it says why, nor the machine was busy with something
# else. WORKERS is how many run at a time (default: one for each processor; with
# fewer, that share of the 1,000 is wanted).
set -u
cd "$(dirname "$0")/.."
root=$(pwd)
time=${FUZZTIME:-20s}
processors=$(getconf _NPROCESSORS_ONLN)
workers=${WORKERS:-$processors}
enough=1000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# seconds FILE: the processor time in what the shell's own command times printed of
# its children.
seconds() {
  sed -n 2p "$1" | awk '{ for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); sum += 60 * t[1] + t[2] } printf "%.2f\n", sum }'
}

# load: how many wait for a processor, over the last minute.
load() { uptime | sed 's/.*average[s]*: *//; s/[, ].*//'; }

# judge EXECUTIONS SECONDS PROCESSOR_SECONDS LOAD REASON: the end of a target's line;
# fails when the target ran too little.
judge() {
  awk -v n="$1" -v s="$2" -v cpu="$3" -v load="$4" -v reason="$5" -v workers="$workers" -v processors="$processors" -v enough="$enough" 'BEGIN {
    rate = s > 0 ? n / s : 0; share = s > 0 ? cpu / s : 0
    least = workers < processors ? enough * workers / processors : enough
    printf "%d executions, %d/s on %.1f of %d processors", n, rate, share, processors
    if (n < enough) { printf "; fewer than %d in all, which proves nothing", enough; bad = 1 }
    else if (rate < least) {
      printf "; %d/s below %d: ", least - rate + 0.5, least
      if (reason != "") printf "%s", reason
      # What runs beside it takes processors away, and memory and caches too.
      else if (share < 0.8 * workers || load > 2 * processors + 1) printf "the machine was busy with something else, load %.1f", load
      else { printf "no //fuzz:slow says why"; bad = 1 }
    }
    print ""
    exit bad
  }'
}

targets=0 executions=0 crashes=0 idle=0
for package in $(git grep --untracked -l '^func Fuzz' -- 'pkg/*_test.go' 'internal/*_test.go' | xargs -n1 dirname | sort -u); do
  names=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$package"/*_test.go)
  if [ $# -gt 0 ]; then
    names=$(for name in $names; do for wanted; do [ "$name" = "$wanted" ] && echo "$name"; done; done)
  fi
  [ -n "$names" ] || continue
  # Built once for all targets of a package, and apart from the time that they have.
  go test -c -fuzz Fuzz -o "$work/test" "./$package" || exit 1
  cache=$(go env GOCACHE)/fuzz/$(go list "./$package")
  for target in $names; do
    targets=$((targets + 1))
    # Every input found before is tried again first, which takes some milliseconds
    # each: of thousands, nothing else would be tried.
    ls -t "$cache/$target" 2>/dev/null | tail -n +101 | while read -r old; do rm -f "$cache/$target/$old"; done
    times >"$work/before"
    start=$(date +%s.%N)
    # Go makes each input that reaches new code smaller before it goes on, for up to
    # a minute unless told otherwise, and counts nothing meanwhile: a target with a
    # few such inputs does hardly anything else. What is found is therefore left as it
    # is; a crash's input is made smaller by "go test -fuzz" on that target.
    (cd "$package" && exec "$work/test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzminimizetime 0x \
      -test.parallel "$workers" -test.fuzzcachedir "$cache") >"$work/log" 2>&1
    status=$?
    end=$(date +%s.%N)
    times >"$work/after"
    n=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$work/log" | tail -1)
    executions=$((executions + ${n:-0}))
    # The fuzzer itself sometimes reports its own deadline as a failure when the
    # machine is busy; only an input that it wrote down, or an end without one
    # execution, is a find.
    if [ "$status" -ne 0 ] && ! { grep -q 'context deadline exceeded' "$work/log" && ! grep -q 'Failing input written\|panic' "$work/log" && [ "${n:-0}" -gt 0 ]; }; then
      crashes=$((crashes + 1))
      cat "$work/log" >&2
    fi
    reason=$(grep -h -B3 "^func $target(" "$package"/*_test.go | sed -n 's|^//fuzz:slow ||p')
    wall=$(echo "$end $start" | awk '{ print $1 - $2 }')
    processor=$(echo "$(seconds "$work/after") $(seconds "$work/before")" | awk '{ print $1 - $2 }')
    line=$(judge "${n:-0}" "$wall" "$processor" "$(load)" "$reason") || idle=$((idle + 1))
    echo "fuzz: $package $target, $line"
  done
done
cd "$root"
echo "fuzz: targets $targets, executions $executions, crashes $crashes, too few executions $idle"
[ "$targets" -gt 0 ] && [ "$crashes" -eq 0 ] && [ "$idle" -eq 0 ]
