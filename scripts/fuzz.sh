#!/usr/bin/env bash
# Runs every fuzz target of the module, one after another.
#   FUZZTIME=30s   how long each
# What a target finds is kept by go in the package's testdata/fuzz.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
require_go

found=0
for package in $(go list ./...); do
  targets=$(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true)
  for target in $targets; do
    found=$((found + 1))
    say "== $package $target"
    # Files of some kB would be made smaller for the whole time, a minute each.
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-30s}" -fuzzminimizetime 20x "$package"
  done
done
[ "$found" -gt 0 ] || die "no fuzz targets found"
say "$found fuzz targets ran for ${FUZZTIME:-30s} each"
