#!/usr/bin/env bash
# Trains runs with --tensorboard, one of them killed and continued, and compares
# what the real TensorBoard shows of them with their logs, value by value.
# PYTHON is an interpreter with TensorBoard; for one without, TensorBoard comes
# from PyPI into build/tools.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gates.sh"
repository_root
require_go
python=$(command -v "${PYTHON:-python3}") || die "no ${PYTHON:-python3}: install Python 3, or set PYTHON"
tensorboard_path "$python" >/dev/null || die "$python has no TensorBoard, and pip cannot install $tensorboard"
PYTHONPATH=$(tensorboard_path "$python")${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH PYTHONDONTWRITEBYTECODE=1 TF_CPP_MIN_LOG_LEVEL=3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
CGO_ENABLED=0 go build -o "$dir/" ./cmd/mdlstm-gpu
cp scripts/tensorboard_check.py "$dir/check.py"
cd "$dir"
train() { ./mdlstm-gpu train "$@" >output 2>&1 || die "train $*: $(tail -n 1 output)"; }
check() { "$python" check.py "$@"; }

quick=(--batch 2 --hidden 3 --threads 1 --tensorboard)
train "${quick[@]}" --size 4x4 --steps 300 --out killed
check run killed 0,300

# The checker sees what is wrong.
cp -r killed wrong
awk -v OFS='\t' 'NR == 100 { $2 += 0.001 } 1' killed/log.tsv >wrong/log.tsv
if check run wrong 0,300 2>/dev/null; then die "a wrong loss is not seen"; fi
if check run killed 0 2>/dev/null; then die "a missing picture is not seen"; fi
head -n 300 killed/log.tsv >wrong/log.tsv
if check run wrong 0,300 2>/dev/null; then die "a missing step is not seen"; fi
rm -r wrong

# Killed when the log has steps beyond the last checkpoint.
./mdlstm-gpu train --resume killed --steps 1000000000 --checkpoint-every 0 >output 2>&1 &
pid=$!
for _ in $(seq 600); do
  if [ "$(wc -l <killed/log.tsv)" -gt 350 ]; then break; fi
  sleep 0.05
done
sleep 0.7 # the events of these steps are flushed, too
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
[ "$(wc -l <killed/log.tsv)" -gt 350 ] || die "the run did not get beyond its checkpoint: $(tail -n 1 output)"
check killed killed 0,300
train --resume killed --steps 305
check run killed 0,300,305

# Validation, with classes.
"$python" -c '
import numpy as np
x = np.random.default_rng(1).normal(size=(12, 4, 5, 1)).astype(np.float32)
np.save("X.npy", x)
np.save("Y.npy", (x[..., 0] > 0).astype(np.int64))'
train "${quick[@]}" --x X.npy --y Y.npy --valid 4 --epochs 3 --out classes
check run classes 0,4,8,12

check served "$dir" killed classes
