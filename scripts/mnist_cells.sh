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
# The cells as they are, and plain and graves with what keeps them from NaN: forget
# gates that begin small, so that the state cannot grow from cell to cell, and
# Graves's own bound on errors, 1 of a loss summed over an image's pixels, which is
# 4e-5 of a mean over 32 images. --clip is for those whose gradient cannot explode:
# one limit for all gradients together would starve the output layer of the others.
variants=(
  "plain: --cell plain"
  "graves: --cell graves"
  "plain, tamed: --cell plain --forget-bias -1 --clip-error 4e-5"
  "graves, tamed: --cell graves --forget-bias -2 --clip-error 4e-5 --lr 0.002"
  "layernorm: --cell layernorm --clip 1"
  "stable: --cell stable --clip 1"
  "leakylp: --cell leakylp --clip 1"
)

printf 'cell\tseed\tpixel_error\timage_error\tvalid_loss\ttrain_loss\tcpu_seconds\tstopped_at\n' >"$dir/tsv"
for seed in "${seeds[@]}"; do
  for variant in "${variants[@]}"; do
    cell=${variant%%:*}
    read -ra flags <<<"${variant#*:}"
    TIMEFORMAT=$'%U %S'
    { time "$program" train --task mnist --data "$DATA" --augment --hidden 24 --directions all \
      --batch 32 --steps "$steps" --lr 0.005 "${flags[@]}" --valid-every 0 --seed "$seed" --out "$dir/run" >"$dir/output" 2>&1; } 2>"$dir/time" || {
      # A cell whose state or gradient outgrows float32 stops: that is a result.
      stopped=$(sed -nE 's/.*step ([0-9]+): NaN or infinity.*/\1/p' "$dir/output")
      [ -n "$stopped" ] || { cat "$dir/output"; die "train ${flags[*]} --seed $seed stopped"; }
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
  say "background (11 classes), 24 units in each of 4 directions, batch 32, Adam 0.005, augmented, $steps steps (no more: this"
  say "compares the cells, it does not train them out). Shares wrong are those on the 1,000 test images."
  say
  say "| cell | flags |"
  say "|---|---|"
  for variant in "${variants[@]}"; do say "| ${variant%%:*} | \`${variant#*: }\` |"; done
  say
  say "The tamed cells begin with small forget gates and bound the errors, as Graves's library does; \`--clip\` would starve their"
  say "output layer, because one limit for all gradients together is spent on those that explode."
  say
  describe_machine
  say "- $(date -u +%Y-%m-%d)"
  say
  awk -f scripts/stats.awk -f scripts/mnist_cells_table.awk bench/mnist_cells.tsv
  say
  say "![shares of wrong pixels and images of each cell](mnist_cells.png)"
} >bench/mnist_cells.md
say "wrote bench/mnist_cells.tsv, .md and .png"
