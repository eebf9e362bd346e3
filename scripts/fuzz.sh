#!/usr/bin/env bash
# Runs every fuzz target of the module, several at once, each with one worker.
#   fuzz.sh [PACKAGE…]  the targets of these packages (default ./...)
#   FUZZTIME=30s        how long each
#   JOBS=2              how many at once (default: as many as there are cores)
# What a target finds is kept in its package's testdata/fuzz, and is one of the
# seeds of go test from then on; what it found interesting stays in go's cache.
# The logs are in build/fuzz.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# run_target FOLDER BINARY CACHE TARGET runs one and says in a line how it went.
run_target() {
  local folder=$1 binary=$2 cache=$3 target=$4 log status=0 executions
  log=${binary%.test}.$target.log
  # Files of some kB would be made smaller for the whole time, a minute each.
  (cd "$folder" && GOMAXPROCS=1 "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$FUZZTIME" -test.fuzzminimizetime 20x \
    -test.parallel 1 -test.fuzzcachedir "$cache") >"$log" 2>&1 || status=$?
  # Go's fuzzer may end with this when its time is up: go.dev/issue/75804, mended in Go 1.27.
  if [ "$status" != 0 ] && grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log"; then status=0; fi
  executions=$(sed -nE 's/.*execs: ([0-9]+).*/\1/p' "$log" | tail -n 1)
  printf '%-40s %10s executions\n' "${folder#"$PWD"/} $target" "${executions:-0}"
  [ "$status" = 0 ] || {
    sed 's/^/    /' "$log" | tail -n 40
    return 1
  }
}

if [ "${1:-}" = --target ]; then # xargs, below
  shift
  run_target "$@"
  exit
fi

repository_root
require_go
export FUZZTIME=${FUZZTIME:-30s}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
out=$PWD/build/fuzz
cache=$(go env GOCACHE)/fuzz
rm -rf "$out"
mkdir -p "$out"

# As go test -fuzz compiles, but once a package.
[ $# -gt 0 ] || set -- ./...
while read -r package folder; do
  grep -qs '^func Fuzz' "$folder"/*_test.go || continue
  binary=$out/${package//\//_}.test
  go test -c -fuzz . -o "$binary" "$package"
  for target in $("$binary" -test.list '^Fuzz'); do
    say "$folder $binary $cache/$package $target"
  done
done < <(go list -f '{{.ImportPath}} {{.Dir}}' "$@") >"$out/targets"

count=$(wc -l <"$out/targets")
[ "$count" -gt 0 ] || die "no fuzz targets found"
say "$count fuzz targets, $FUZZTIME each, $jobs at once"
failed=0
xargs -P "$jobs" -L 1 scripts/fuzz.sh --target <"$out/targets" | tee "$out/summary" || failed=1
say "$(awk '{ n += $(NF - 1) } END { printf "%d executions", n }' <(grep ' executions$' "$out/summary"))"
[ "$failed" = 0 ] || die "a target failed: its input is in the package's testdata/fuzz"
