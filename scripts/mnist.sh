#!/usr/bin/env bash
# What configs/mnist-pixels.toml reaches on MNIST's 10,000 test images alone, split
# 8,000 / 1,000 / 1,000 by each of three seeds.
#   DATA=DIR          folder with t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or .gz
#   SEEDS="1 2 3"  PROGRAM=bin/mdlstm-gpu
# Writes bench/mnist.tsv, a line a split, bench/mnist.md, the logs as
# bench/mnist/SEED-log.tsv and SEED-valid.tsv, and the pictures of the first seed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
program=${PROGRAM:-bin/mdlstm-gpu}
[ -x "$program" ] || die "no $program: run make build first"
[ -n "${DATA:-}" ] || die "DATA=DIR: want the folder with MNIST's files"
read -ra seeds <<<"${SEEDS:-1 2 3}"
split=8000/1000/1000

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/logs"
before=$(load_average)
TIMEFORMAT=$'%R %U %S'
printf 'seed\tpixel_error\timage_error\twarped_pixel_error\twarped_image_error\tbest_step\twall_seconds\tcpu_seconds\n' >"$dir/tsv"
for seed in "${seeds[@]}"; do
  run=$dir/run-$seed
  { time "$program" train --config mnist-pixels --data "$DATA" --split "$split" --seed "$seed" --out "$run" \
    >"$dir/output" 2>&1; } 2>"$dir/time" || {
    cat "$dir/output"
    die "seed $seed: the training stopped"
  }
  rm -rf "$dir/pictures"
  "$program" eval --model "$run" --batch 100 --out "$dir/pictures" >"$dir/clean" 2>/dev/null
  "$program" eval --model "$run" --batch 100 --warp >"$dir/warped" 2>/dev/null
  if [ "$seed" = "${seeds[0]}" ]; then
    cp "$dir/pictures/sheet.png" "$dir/logs/sheet.png"
    cp "$dir/pictures/confusion.png" "$dir/logs/confusion.png"
  fi
  cp "$run/log.tsv" "$dir/logs/$seed-log.tsv"
  cp "$run/valid.tsv" "$dir/logs/$seed-valid.tsv"
  awk -v OFS='\t' -v seed="$seed" -v best="$(sed -nE 's/^best .* after step ([0-9]+)$/\1/p' "$dir/output")" \
    -v wall="$(awk '{ print $1 }' "$dir/time")" -v cpu="$(awk '{ print $2 + $3 }' "$dir/time")" '
    { value[FILENAME, $1] = $2 }
    END {
      clean = ARGV[1]; warped = ARGV[2]
      print seed, value[clean, "pixel_error"], value[clean, "image_error"],
        value[warped, "pixel_error"], value[warped, "image_error"], best, wall, cpu
    }' "$dir/clean" "$dir/warped" | tee -a "$dir/tsv"
done

mkdir -p bench/mnist
cp "$dir"/logs/* bench/mnist/
cp "$dir/tsv" bench/mnist.tsv
{
  say "# MNIST's pixels from 8,000 images"
  say
  say "Written by scripts/mnist.sh: configs/mnist-pixels.toml on the 10,000 test images of MNIST, split $split by each"
  say "seed; the model is the best of the validations, the errors are those on the 1,000 test images, which neither training nor"
  say "choice has seen. Warped: deformed elastically, σ 4, α 34. The logs of all steps and validations are in mnist/."
  say
  describe_machine
  say "- load average: $before before, $(load_average) after; $(date -u +%Y-%m-%d)"
  say
  awk -f scripts/mnist_table.awk bench/mnist.tsv
  say
  say "![predictions on test images](mnist/sheet.png)"
  say
  say "![confusion of the test images' labels](mnist/confusion.png)"
} >bench/mnist.md
say "wrote bench/mnist.tsv, bench/mnist.md and bench/mnist/"
