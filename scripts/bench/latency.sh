# shellcheck shell=bash disable=SC2154 # bench.sh sets dir, measure.sh the other names
# Sourced by scripts/bench.sh: how long the prediction of one sample takes, part
# latency.

# latency_cases prints a line a case: name, cell, size, channels, hidden, directions.
latency_cases() {
  say "layernorm-8x8 layernorm 8x8 1 16 1"
  say "plain-28x28 plain 28x28 1 32 4"
  say "stable-64x64 stable 64x64 1 16 4"
  say "stable-32x256 stable 32x256 16 16 4"
}

bench_latency() {
  local rounds=${ROUNDS:-3} period=${PERIOD:-1} engines=() round name cell size channels hidden directions line engine threads
  begin latency case round engine threads forward_ms forward_p95_ms
  if [ -n "$torch" ]; then
    engines+=("torch 1")
  else
    note "NOT COMPARED: $python cannot import torch: set PYTHON to an interpreter that can"
  fi
  engines+=("${blas[0]} 1")
  if [ "$(nproc)" -gt 1 ]; then engines+=("${blas[0]} $(nproc)"); fi
  if [ -n "$gpu" ]; then engines+=("gpu-auto 1"); else note "NOT MEASURED: no GPU here"; fi
  for round in $(seq "$rounds"); do
    while read -r name cell size channels hidden directions; do
      for line in "${engines[@]}"; do
        read -r engine threads <<<"$line"
        figures "$engine" "$threads" "forward_ms forward_p95_ms" --predict --cell "$cell" --size "$size" --batch 1 \
          --channels "$channels" --hidden "$hidden" --seconds "$period" "$directions" || fail "$name"
        row "$name" "$round" "$engine" "$threads" "${figure[@]}"
      done
    done < <(latency_cases)
  done
  cp "$table" bench/latency.tsv
  plot latency -x case -by engine,threads -y forward_ms -log -unit "prediction, ms" -title "The prediction of one sample, by engine and threads"
  {
    say "# The prediction of one sample"
    say
    say "Written by \`scripts/bench.sh latency\`: medians over $rounds rounds of $period s in which the engines took turns; the raw figures"
    say "are in latency.tsv. A prediction copies the sample in and the outputs out. Of the predictions of a round 95 % take no longer"
    say "than the 95th percentile. [BENCHMARKS.md](../BENCHMARKS.md) says how to read this."
    say
    circumstances
    picture latency "Milliseconds a prediction, a dot a round and a bar at their median"
    awk -f scripts/stats.awk -f scripts/bench/turns.awk -f scripts/bench/latency_table.awk bench/latency.tsv
  } >"$dir/page"
  cp "$dir/page" bench/latency.md
  say "wrote bench/latency.tsv and bench/latency.md"
}
