#!/usr/bin/env bash
# What samples of unequal sizes cost: against as many cells in equal sizes, and
# against padding. Trains on noise, one epoch to warm up, one that counts; the
# variants take turns, ROUNDS times.
#   ROUNDS=9  BATCH=16  HIDDEN=16  CELL=stable  DEVICE=cpu  THREADS=0
# Writes bench/unequal.tsv, a line a run, and bench/unequal.md.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
need_program
rounds=${ROUNDS:-9} batch=${BATCH:-16} hidden=${HIDDEN:-16} cell=${CELL:-stable} device=${DEVICE:-cpu} threads=${THREADS:-0}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go run ./scripts/unequal LICENSE "$dir"

# epoch COLLECTION VARIANT BUCKET prints the seconds of the steps of an epoch.
epoch() {
  local pictures steps
  pictures=$(awk -F '\t' -v c="$1" -v v="$2" '$1 == c && $2 == v { print $3 }' "$dir/sizes.tsv")
  steps=$(((pictures + batch - 1) / batch))
  bin/mdlstm-gpu train --images "$dir/$1/$2/images" --masks "$dir/$1/$2/masks" --bucket "$3" --batch "$batch" --steps $((2 * steps)) \
    --cell "$cell" --hidden "$hidden" --directions all --device "$device" --threads "$threads" --checkpoint-every 0 --out "$dir/run" \
    >"$dir/output" 2>&1 || { cat "$dir/output" >&2; die "train stopped"; }
  awk -F '\t' -v first="$steps" 'NR > 1 && $1 >= first { s += $3 } END { print s }' "$dir/run/log.tsv"
  rm -rf "$dir/run"
}

before=$(load_average)
printf 'collection\tvariant\tround\tpictures\tpixels\tlargest\tseconds\n' >"$dir/tsv"
for round in $(seq "$rounds"); do
  for collection in sides words; do
    for variant in "equal off" "unequal on" "unequal off" "padded off"; do
      read -r folder bucket <<<"$variant"
      name=$folder
      [ "$bucket" = off ] || name=bucketed
      took=$(epoch "$collection" "$folder" "$bucket")
      awk -F '\t' -v OFS='\t' -v c="$collection" -v v="$folder" -v name="$name" -v round="$round" -v took="$took" \
        '$1 == c && $2 == v { print c, name, round, $3, $4, $5, took }' "$dir/sizes.tsv" | tee -a "$dir/tsv"
    done
  done
done

mkdir -p bench
cp "$dir/tsv" bench/unequal.tsv
{
  say "# Samples of unequal sizes"
  say
  say "Written by scripts/unequal.sh: steps of an epoch (load, forward, backward, Adam) on pictures of noise, the second epoch of"
  say "each run, medians of $rounds runs in turn, ratios of each round. One \`$cell\` layer, hidden $hidden, 4 directions, batch $batch, device $device, threads $threads (0: all)."
  say "\`sides\`: 256 pictures with sides of 20 to 60. \`words\`: the words of LICENSE as if printed, 16 pixels high, 8 wide a letter."
  say "\`equal\` has as many pictures and pixels in one size; \`bucketed\` are the unequal ones as images trains on them, \`unequal\`"
  say "with --bucket off; \`padded\` the same pictures, each as large as the largest."
  say
  describe_machine
  say "- load average: $before before, $(load_average) after; $(date -u +%Y-%m-%d)"
  say
  awk -f scripts/stats.awk -f scripts/unequal_table.awk bench/unequal.tsv
} >bench/unequal.md
say "wrote bench/unequal.tsv and bench/unequal.md"
