#!/usr/bin/env bash
# How well the seed's experiment is learned, over many seeds: the mean relevant
# loss of the last 50 steps, for the three models and for the options that are
# offered against starts that do not learn.
#   SEEDS=15  STEPS=1000
# Writes bench/seeds.tsv, a line a run, and bench/seeds.md.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
need_program
seeds=${SEEDS:-15}
steps=${STEPS:-1000}

variants=(
  "--model MD_LSTM"
  "--model HORIZONTAL_SD_LSTM"
  "--model SNAKE_SD_LSTM"
  "--model MD_LSTM --clip 1"
  "--model MD_LSTM --clip 0.1"
  "--model MD_LSTM --cell stable"
  "--model MD_LSTM --cell stable --clip 1"
)

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p bench
printf 'flags\tseed\toverall_loss\trelevant_loss\tseconds\n' >"$dir/tsv"
for flags in "${variants[@]}"; do
  for seed in $(seq "$seeds"); do
    # shellcheck disable=SC2086 # flags are several words
    bin/mdlstm-gpu train $flags --seed "$seed" --steps "$steps" --out "$dir/run" >"$dir/output" 2>&1 || {
      cat "$dir/output"
      die "train $flags --seed $seed stopped"
    }
    awk -F '\t' -v OFS='\t' -v flags="$flags" -v seed="$seed" '
      NR > 1 { overall[NR] = $2; relevant[NR] = $4; seconds += $3 }
      END {
        for (i = NR; i > 1 && n < 50; i--) { o += overall[i]; r += relevant[i]; n++ }
        print flags, seed, o / n, r / n, seconds
      }' "$dir/run/log.tsv" | tee -a "$dir/tsv"
    rm -rf "$dir/run"
  done
done

cp "$dir/tsv" bench/seeds.tsv
{
  say "# The random diagonal task over $seeds seeds"
  say
  say "Written by scripts/seeds.sh: 8x8, batch 16, hidden 16, Adam 0.01, $steps steps; the losses of a run are means of its"
  say "last 50 steps. A run that stays above 0.5 has not learned the task; HORIZONTAL_SD_LSTM cannot."
  say
  describe_machine
  say
  awk -f scripts/stats.awk -f scripts/seeds_table.awk bench/seeds.tsv
} >bench/seeds.md
say "wrote bench/seeds.tsv and bench/seeds.md"
