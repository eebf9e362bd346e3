#!/usr/bin/env bash
# Trains the seed's three models on the random diagonal task, in a new folder
# below runs/, and says where the report is.
#   STEPS=1000
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
need_program

out=runs/demo-$(date +%Y%m%d-%H%M%S)
bin/mdlstm-gpu compare --steps "${STEPS:-1000}" --out "$out"
[ -s "$out/report.html" ] || die "$out/report.html is missing"
say "open $PWD/$out/report.html in a browser"
