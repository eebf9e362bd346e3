#!/usr/bin/env bash
# Tests what docs/interchange.md promises to users of Python.
#   interchange_test.sh docs     its snippets, in their order; those on PyTorch where that is there
#   interchange_test.sh torch    torch_mdlstm.py against host/ref and the CPU engine, and its commands
#   interchange_test.sh tensorflow   scripts/peers/tf_mdlstm.py, a peer of the benchmark, against the CPU engine
# PYTHON is the interpreter, python3 by default: with NumPy for docs, with PyTorch or TensorFlow for the others.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
require_go
python=$(command -v "${PYTHON:-python3}") || die "no ${PYTHON:-python3}: install Python 3, or set PYTHON"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PYTHONDONTWRITEBYTECODE=1

# program puts mdlstm-gpu, and this Python as python3, on PATH.
program() {
  mkdir "$dir/bin"
  CGO_ENABLED=0 go build -o "$dir/bin/" ./cmd/mdlstm-gpu
  printf '#!/bin/sh\nexec %q "$@"\n' "$python" >"$dir/bin/python3"
  chmod +x "$dir/bin/python3"
  PATH=$dir/bin:$PATH
}

# snippets FILE DIR writes the fenced blocks of a page to DIR/01.sh, DIR/02.python …
snippets() {
  awk -v dir="$2" '
    /^```(sh|python)$/ { file = sprintf("%s/%02d.%s", dir, ++n, substr($0, 4)); next }
    /^```/ { if (file) close(file); file = ""; next }
    file { print >file }
  ' "$1"
}

# run_page FILE runs its snippets in a folder of their own, and counts in ran and
# left those that it ran and left out. It fails with the first that fails.
run_page() {
  local work with_torch=yes file
  work=$(mktemp -d -p "$dir")
  mkdir "$work/snippets"
  snippets "$1" "$work/snippets"
  cp scripts/torch_mdlstm.py "$work/"
  "$python" -c 'import torch' 2>/dev/null || with_torch=no
  ran=0 left=0
  for file in "$work"/snippets/*; do
    if [ "$with_torch" = no ] && { [ "$left" -gt 0 ] || grep -q torch "$file"; }; then # the last part of the page
      left=$((left + 1))
      continue
    fi
    case $file in
      *.sh) (cd "$work" && bash -euo pipefail "$file") ;;
      *.python) cp "$file" "$work/snippet.py" && (cd "$work" && "$python" snippet.py) ;;
    esac >"$dir/output" 2>&1 || {
      cat "$file" "$dir/output"
      say "$1: the snippet above fails"
      return 1
    }
    ran=$((ran + 1))
  done
}

docs() {
  "$python" -c 'import numpy' || die "$python cannot import numpy: pip install numpy"
  program
  # shellcheck disable=SC2016 # fences, not commands
  printf '```%s\n%s\n```\n' sh true python 'assert 1 + 1 == 3' >"$dir/wrong.md"
  if run_page "$dir/wrong.md" >/dev/null || [ "$ran" != 1 ]; then die "a page whose second snippet is wrong passes"; fi
  run_page docs/interchange.md || exit 1
  [ $((ran + left)) -ge 12 ] || die "docs/interchange.md: $ran snippets, want 12 or more: does it still have fences of sh and python?"
  say "$ran snippets of docs/interchange.md run"
  if [ "$left" -gt 0 ]; then say "SKIPPED $left snippets on PyTorch: $python cannot import torch"; fi
}

torch() {
  "$python" -c 'import torch' || die "$python cannot import torch: pip install torch"
  MDLSTM_PYTHON=$python CGO_ENABLED=0 go test -count 1 -run Torch ./host/mdlstm
  program
  PYTHONPATH=scripts "$python" - "$dir" <<'PY'
import os, sys, torch, torch_mdlstm
os.chdir(sys.argv[1])
torch.manual_seed(1)
config = {"input": 2, "layers": [{"type": "mdlstm", "cell": "graves", "hidden": 4, "directions": ["+-", "-+"], "window": [2, 1]}],
          "head": {"units": 3, "activation": "tanh"}, "loss": "mse"}
torch_mdlstm.save(torch_mdlstm.Model(config), "model.safetensors")
torch_mdlstm.write_npy("X.npy", torch.randn(5, 3, 4, 2))
PY
  mdlstm-gpu predict --model "$dir/model.safetensors" --in "$dir/X.npy" --out "$dir/go.npy" 2>/dev/null
  "$python" scripts/torch_mdlstm.py check "$dir/model.safetensors" "$dir/X.npy" "$dir/go.npy"
  # The rest in one process: PyTorch takes seconds to start.
  PYTHONPATH=scripts "$python" - "$dir" <<'PY'
import contextlib, io, os, sys, torch, torch_mdlstm
os.chdir(sys.argv[1])

def run(*argv):
    """What a command prints, and what it fails with."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            torch_mdlstm.main(argv)
    except SystemExit as e:
        return out.getvalue(), str(e.code)
    return out.getvalue(), None

def wants(want, *argv):
    said, failed = run(*argv)
    assert failed is None and want in said, (argv, said, failed)

def refuses(want, *argv):
    said, failed = run(*argv)
    assert failed and failed.startswith("torch_mdlstm.py: ") and want in failed and "\n" not in failed, (argv, said, failed)

torch_mdlstm.write_npy("channels.npy", torch.randn(5, 3, 4, 1))
torch_mdlstm.write_npy("zeros.npy", torch.zeros(5, 2, 4, 3))
torch_mdlstm.write_npy("shape.npy", torch.zeros(5, 2, 3, 3))
nan = torch_mdlstm.read_npy("go.npy").clone()
nan[4, 1, 3, 2] = float("nan")
torch_mdlstm.write_npy("nan.npy", nan)
wants("layers.0.weight_hh           [2, 2, 20, 4]\n", "show", "model.safetensors")
wants("py.npy: [5, 2, 4, 3]\n", "predict", "model.safetensors", "X.npy", "py.npy", "--batch", "2")
wants("of 120 outputs", "check", "model.safetensors", "X.npy", "py.npy")
refuses("the outputs differ", "check", "model.safetensors", "X.npy", "zeros.npy")
refuses("the outputs differ", "check", "model.safetensors", "X.npy", "nan.npy")
refuses("shape.npy: shape [5, 2, 3, 3], the model puts out [5, 2, 4, 3]", "check", "model.safetensors", "X.npy", "shape.npy")
refuses("py.npy: it exists", "predict", "model.safetensors", "X.npy", "py.npy")
refuses("x: shape [5, 3, 4, 1], want [samples, 2 axes, 2]", "check", "model.safetensors", "channels.npy", "go.npy")
refuses("model.safetensors: not a .npy file", "check", "model.safetensors", "model.safetensors", "go.npy")
refuses("load X.npy: ", "show", "X.npy")
refuses("none.safetensors", "show", "none.safetensors")
refuses("write none/py.npy: No such file", "predict", "model.safetensors", "X.npy", "none/py.npy")
assert sorted(os.listdir(".")) == sorted("bin X.npy channels.npy go.npy model.safetensors nan.npy py.npy shape.npy zeros.npy".split()), os.listdir(".")
print("the commands of torch_mdlstm.py do and refuse what they should")
PY
}

# computed CELL trains a model of it in a moment, and predicts $dir/X.npy.
computed() {
  mdlstm-gpu train --device cpu --size 6x5 --batch 2 --hidden 4 --cell "$1" --directions all --steps 3 --out "$dir/$1" &&
    mdlstm-gpu predict --device cpu --model "$dir/$1" --in "$dir/X.npy" --out "$dir/$1.npy"
}

# same MODEL OUTPUTS has TensorFlow compare its outputs of a cell's model with ours.
same() { "$python" scripts/peers/tf_mdlstm.py --check "$dir/$1/model.safetensors" "$dir/X.npy" "$dir/$2.npy"; }

tensorflow() {
  local cell
  program
  "$python" - "$dir/X.npy" <<'PY'
import numpy, sys
numpy.save(sys.argv[1], numpy.random.default_rng(1).random((2, 6, 5, 1)).astype("float32"))
PY
  for cell in layernorm plain stable; do
    if ! computed "$cell" >"$dir/output" 2>&1 || ! same "$cell" "$cell" >"$dir/output" 2>&1; then
      cat "$dir/output"
      die "tf_mdlstm.py computes another $cell"
    fi
    say "$cell: $(tail -n 1 "$dir/output")"
  done
  if same plain stable >"$dir/output" 2>&1 || ! grep -q 'the outputs differ' "$dir/output"; then
    cat "$dir/output"
    die "the outputs of another cell pass"
  fi
}

case ${1:-} in
  docs | torch | tensorflow) "$1" ;;
  *) die "which part: docs, torch or tensorflow?" ;;
esac
