#!/usr/bin/env bash
# Copies bin/mdlstm-gpu to $DESTDIR$PREFIX/bin, its manual and completions to
# $DESTDIR$PREFIX/share, and says whether a shell finds it.
#   PREFIX   default /usr/local for root, ~/.local for others
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/share.sh"
repository_root
need_program

if [ "$(id -u)" = 0 ]; then prefix=${PREFIX:-/usr/local}; else prefix=${PREFIX:-$HOME/.local}; fi
dir=${DESTDIR:-}$prefix/bin
{ mkdir -p "$dir" && install -m 755 bin/mdlstm-gpu "$dir/mdlstm-gpu" && write_share bin/mdlstm-gpu "${DESTDIR:-}$prefix"; } ||
  die "cannot write ${DESTDIR:-}$prefix: choose another place, make install PREFIX=\$HOME/.local"
say "installed $dir/mdlstm-gpu"

[ -z "${DESTDIR:-}" ] || exit 0
found=$(command -v mdlstm-gpu || true)
case $found in
  "$dir/mdlstm-gpu") say "it is on your PATH: mdlstm-gpu --help" ;;
  "") say "$dir is not on your PATH: export PATH=\"$dir:\$PATH\"" ;;
  *) say "but your PATH finds $found first: remove that one, or export PATH=\"$dir:\$PATH\"" ;;
esac
