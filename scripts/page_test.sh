#!/usr/bin/env bash
# Opens the report's pages from their files, and the server's page from a server,
# in a headless Chromium, at the width of a phone and of a desk, light and dark: no
# error on the console, no request to elsewhere, nothing wider than the screen,
# screenshots that show something; the wavefronts play, and a picture is predicted.
# The checker is shown wrong pages first. Sample pages and screenshots stay
# in DIR.
#   page_test.sh [DIR [report.html…]]   DIR: build/pages; further pages are checked too
#   BROWSER=path                        a Chromium or Chrome; default: the first on PATH
#   STRICT=1                            without a browser it fails
set -euo pipefail
. "$(dirname "$0")/lib.sh"
from=$PWD
repository_root
require_go

# absolute prints a path as seen from the folder that the script was called in.
absolute() { case $1 in /*) say "$1" ;; *) say "$from/$1" ;; esac; }

browser=${BROWSER:-}
for name in chromium chromium-browser google-chrome chrome; do
  [ -n "$browser" ] || browser=$(command -v "$name" || true)
done
if [ -z "$browser" ]; then
  [ "${STRICT:-0}" != 1 ] || die "no browser: apt-get install chromium, or set BROWSER"
  say "SKIPPED pages in a browser: no Chromium on PATH: apt-get install chromium, or set BROWSER"
  exit 0
fi
dir=$PWD/build/pages
if [ $# -gt 0 ]; then
  dir=$(absolute "$1")
  shift
fi
pages=()
for page in "$@"; do
  [ -f "$page" ] || [ -f "$(absolute "$page")" ] || die "no page $page"
  pages+=("$(absolute "$page")")
done
mkdir -p "$dir"
CGO_ENABLED=0 go test -count 1 ./host/browsertest ./host/report ./host/serve -run 'Browser|CheckShot' -browser "$browser" -sample "$dir" "${pages[@]}" ||
  die "a page is wrong in $browser; screenshots: $dir"
say "pages and screenshots: $dir"
