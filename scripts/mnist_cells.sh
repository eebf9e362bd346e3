#!/usr/bin/env bash
# The cells against each other on MNIST's pixels, over several seeds: what Leifert
# et al. 2016 found for handwriting. Each run has its own split, data order and
# first weights.
#   DATA=DIR          folder with MNIST's files
#   SEEDS="1 2 3"  STEPS=1000  PROGRAM=bin/mdlstm-gpu
# Writes bench/mnist_cells.tsv, a line a run, bench/mnist_cells.md and
# bench/mnist_cells.png.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
program=${PROGRAM:-bin/mdlstm-gpu}
[ -x "$program" ] || die "no $program: run make build first"
[ -n "${DATA:-}" ] || die "DATA=DIR: want the folder with MNIST's files"
read -ra seeds <<<"${SEEDS:-1 2 3}"
steps=${STEPS:-1000}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# plain and graves by themselves, and with the bound on errors that Graves's own
# library has; layernorm has it by default.
variants=("plain" "graves" "plain --clip-error 1" "graves --clip-error 1" "layernorm" "stable" "leakylp")

printf 'cell\tseed\tpixel_error\timage_error\tvalid_loss\ttrain_loss\tcpu_seconds\tstopped_at\n' >"$dir/tsv"
for seed in "${seeds[@]}"; do
  for cell in "${variants[@]}"; do
    read -ra flags <<<"$cell"
    TIMEFORMAT=$'%U %S'
    { time "$program" train --task mnist --data "$DATA" --augment --cell "${flags[@]}" --hidden 24 --directions all \
      --batch 32 --steps "$steps" --lr 0.005 --clip 1 --seed "$seed" --out "$dir/run" >"$dir/output" 2>&1; } 2>"$dir/time" || {
      # A cell whose state or gradient outgrows float32 stops: that is a result.
      stopped=$(sed -nE 's/.*step ([0-9]+): NaN or infinity.*/\1/p' "$dir/output")
      [ -n "$stopped" ] || { cat "$dir/output"; die "train --cell $cell --seed $seed stopped"; }
      printf '%s\t%s\tnan\tnan\tnan\tnan\tnan\t%s\n' "$cell" "$seed" "$stopped" | tee -a "$dir/tsv"
      rm -rf "$dir/run"
      continue
    }
    "$program" eval --model "$dir/run" --part test --batch 100 >"$dir/eval" 2>/dev/null
    last=$(awk -F '\t' 'NR > 1 { loss[NR] = $2 } END { for (i = NR; i > 1 && n < 50; i--) { s += loss[i]; n++ }; print s / n }' "$dir/run/log.tsv")
    awk -v OFS='\t' -v cell="$cell" -v seed="$seed" -v last="$last" -v seconds="$(awk '{ print $1 + $2 }' "$dir/time")" '
      { value[$1] = $2 }
      END { print cell, seed, value["pixel_error"], value["image_error"], value["overall_loss"], last, seconds, "" }' "$dir/eval" | tee -a "$dir/tsv"
    rm -rf "$dir/run"
  done
done
mkdir -p bench
cp "$dir/tsv" bench/mnist_cells.tsv
go run ./scripts/plot -x cell -y image_error,pixel_error -unit "share wrong on 1,000 test images" bench/mnist_cells.tsv bench/mnist_cells.png
{
  say "# Cells on MNIST's pixels"
  say
  say "Written by scripts/mnist_cells.sh: the 10,000 images split 8,000 / 1,000 / 1,000 by each seed, every pixel its digit or"
  say "background (11 classes), 24 units in each of 4 directions, batch 32, Adam 0.005, clip 1, augmented, $steps steps (no more:"
  say "this compares the cells, it does not train them out). Shares wrong are those on the 1,000 test images."
  say
  describe_machine
  say "- $(date -u +%Y-%m-%d)"
  say
  awk -f scripts/stats.awk -f scripts/mnist_cells_table.awk bench/mnist_cells.tsv
  say
  say "![shares of wrong pixels and images of each cell](mnist_cells.png)"
} >bench/mnist_cells.md
say "wrote bench/mnist_cells.tsv, .md and .png"
