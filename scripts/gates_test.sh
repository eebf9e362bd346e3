#!/usr/bin/env bash
# Feeds every gate a module that it must pass and one that it must refuse, and
# the tables of the benchmarks figures whose medians are known. Imports that
# point the wrong way are imports_test.go's, tested there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gates.sh"
repository_root
MDLSTM_TOOLS=$PWD/build/tools
root=$PWD
tables=$root/scripts
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
checked=0

# fresh makes a module without mistakes in the current folder.
fresh() {
  rm -rf "${dir:?}/module"
  mkdir -p "$dir/module/scripts" "$dir/module/.ci"
  cd "$dir/module"
  printf 'module sample\n\ngo 1.24\n' >go.mod
  printf '// Package sample adds.\npackage sample\n\n// Add is a sum.\nfunc Add(a, b int) int { return a + b }\n' >sample.go
  cat >sample_test.go <<'GO'
package sample

import "testing"

func TestAdd(t *testing.T) {
	if got := Add(1, 2); got != 3 {
		t.Errorf("Add(1, 2) = %d, want 3", got)
	}
}
GO
  printf '#!/bin/sh\necho sum\n' >scripts/echo.sh
}

# passes WHAT GATE… wants the gate to pass.
passes() {
  local what=$1
  shift
  "$@" >"$dir/output" 2>&1 || fault "$what: the gate fails: $*"
  checked=$((checked + 1))
}

# refuses WHAT REASON GATE… wants the gate to fail and to print the reason.
refuses() {
  local what=$1 reason=$2
  shift 2
  if ("$@") >"$dir/output" 2>&1; then fault "$what: the gate passes: $*"; fi
  grep -qE "$reason" "$dir/output" || fault "$what: the gate fails, but does not say '$reason': $*"
  checked=$((checked + 1))
}

fault() {
  sed 's/^/    /' "$dir/output"
  die "$1"
}

passes "a later version" at_least 1.26.1 1.26.0
passes "the same version" at_least 1.26.0 1.26.0
if at_least 1.9.7 1.26.0; then die "1.9.7 counts as 1.26.0 or later"; fi

fresh
passes "formatted" gate_format
printf 'package sample\nfunc  bad( ) { }\n' >bad.go
refuses "unformatted" bad.go gate_format

fresh
passes "vetted" gate_vet ""
printf 'package sample\n\nimport "fmt"\n\nfunc bad() { fmt.Printf("%%d", "text") }\n' >bad.go
refuses "Printf of text as number" 'Printf format %d' gate_vet ""
sed -i '1i //go:build openblas\n' bad.go
passes "the mistake is in another variant" gate_vet ""
refuses "the mistake is in this variant" 'Printf format %d' gate_vet openblas

if tool_binary "$staticcheck" >/dev/null 2>&1; then
  fresh
  matrix=$'plain:\nopenblas: -tags=openblas'
  passes "no findings" gate_staticcheck <<<"$matrix"
  printf 'package sample\n\nfunc rare() {}\n' >rare.go
  refuses "unused function" 'rare.*U1000' gate_staticcheck <<<"$matrix"
  printf '//go:build openblas\n\npackage sample\n\nfunc init() { rare() }\n' >use.go
  passes "one variant uses it" gate_staticcheck <<<"$matrix"
  printf '//go:build openblas\n\npackage sample\n\nfunc init() { rare() }\n\n// Same is true.\nfunc Same(x int) bool { return x == x }\n' >use.go
  refuses "fault in one variant" SA4000 gate_staticcheck <<<"$matrix"
else
  say "not tried: staticcheck"
fi

if tool_binary "$govulncheck" >/dev/null 2>&1; then
  fresh
  mkdir -p "$dir/vulndb/index" "$dir/vulndb/ID"
  echo '{"modified": "2026-01-01T00:00:00Z"}' >"$dir/vulndb/index/db.json"
  echo '[{"path": "stdlib", "vulns": [{"id": "GO-0000-0001", "modified": "2026-01-01T00:00:00Z"}]}]' >"$dir/vulndb/index/modules.json"
  echo '[{"id": "GO-0000-0001", "modified": "2026-01-01T00:00:00Z"}]' >"$dir/vulndb/index/vulns.json"
  cat >"$dir/vulndb/ID/GO-0000-0001.json" <<'JSON'
{"schema_version": "1.3.1", "id": "GO-0000-0001", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
 "summary": "an example", "details": "an example", "affected": [{"package": {"name": "stdlib", "ecosystem": "Go"},
 "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}], "ecosystem_specific": {"imports": [{"path": "strings", "symbols": ["Title"]}]}}]}
JSON
  vulndb=file://$dir/vulndb
  passes "the database is there" vulnerabilities_known
  passes "nothing vulnerable is called" gate_vulnerabilities ""
  printf '//go:build cuda\n\npackage sample\n\nimport "strings"\n\n// Old is a title.\nfunc Old(s string) string { return strings.Title(s) }\n' >old.go
  passes "the call is in another variant" gate_vulnerabilities ""
  refuses "a vulnerable function is called" GO-0000-0001 gate_vulnerabilities cuda
  vulndb=https://vuln.go.dev
  if HTTPS_PROXY=http://localhost:1 vulnerabilities_known; then die "a database that cannot be reached counts as known"; fi
else
  say "not tried: govulncheck"
fi

if generator_known "$root/host/cpu"; then
  fresh
  mkdir cpu
  cp -r "$root/host/cpu/gen" "$root"/host/cpu/kernels_*amd64.* cpu/
  passes "generated assembly" gate_assembly cpu
  sed -i '0,/VADDPS/s//VSUBPS/' cpu/kernels_amd64.s
  refuses "assembly changed by hand" 'run make asm' gate_assembly cpu
  cp "$root/host/cpu/kernels_amd64.s" cpu/
  sed -i 's/tanhLimit = 7.9/tanhLimit = 7/' cpu/gen/tanh.go
  refuses "changed generator" 'run make asm' gate_assembly cpu
  sed -i 's/^package main/package/' cpu/gen/tanh.go
  refuses "broken generator" 'tanh.go' gate_assembly cpu
else
  say "not tried: the assembly's generator"
fi

if command -v shellcheck >/dev/null; then
  fresh
  passes "sound script" gate_shell
  # shellcheck disable=SC2016 # the quotes are missing on purpose
  printf '#!/bin/sh\nrm $1\n' >.ci/run
  refuses "unquoted variable" SC2086 gate_shell
  rm scripts/echo.sh .ci/run
  refuses "no scripts at all" 'no shell scripts' gate_shell
else
  say "not tried: shellcheck"
fi

if hadolint_binary >/dev/null 2>&1; then
  fresh
  printf 'FROM debian:12\nUSER nobody\nENTRYPOINT ["ls"]\n' >Dockerfile.cuda
  passes "sound image" gate_docker
  printf 'FROM debian\nENTRYPOINT ls\n' >Dockerfile.cuda
  refuses "no version" DL3006 gate_docker
else
  say "not tried: hadolint"
fi

fresh
passes "right sum" gate_tests "$dir/log" ./...
[ "$(passed_packages "$dir/log")" = 1 ] || die "one package passed, counted $(passed_packages "$dir/log")"
[ "$(failed_packages "$dir/log")" = 0 ] || die "no package failed, counted $(failed_packages "$dir/log")"
sed -i 's/a + b/a - b/' sample.go
refuses "wrong sum" 'want 3' gate_tests "$dir/log" ./...
[ "$(failed_packages "$dir/log")" = 1 ] || die "one package failed, counted $(failed_packages "$dir/log")"
echo 'package sample; func bad() int {}' >bad.go
refuses "does not compile" 'missing return' gate_tests "$dir/log" ./...
fresh
rm sample_test.go
refuses "nothing to test" 'no package passed' gate_tests "$dir/log" ./...
fresh
sed -i 's/t.Errorf.*/panic("gone")/; s/!= 3/== 3/; s/got := //; s/if Add/if got := Add/' sample_test.go
refuses "panic" gone gate_tests "$dir/log" ./...

fresh
passes "go is new enough" require_go
sed -i 's/go 1.24/go 99.1/' go.mod
GOTOOLCHAIN=local refuses "go is too old" 'Go 99.1 or later' require_go
fresh
mkdir "$dir/bin"
ln -s "$(command -v awk)" "$dir/bin/awk"
without_go() { PATH=$dir/bin require_go; }
refuses "no go" 'go is not on PATH: install Go 1.24' without_go

# has WHAT LINE TABLE… wants a line in what the command prints.
has() {
  local what=$1 line=$2
  shift 2
  "$@" >"$dir/output" || fault "$what: $* fails"
  grep -qFx -- "$line" "$dir/output" || fault "$what: no line '$line'"
  checked=$((checked + 1))
}

columns() { tr ' ' '\t' >"$dir/tsv"; }
columns <<'TSV'
case round engine threads step_ms step_min_ms forward_ms forward_min_ms
small 1 torch 1 9 8 4 4
small 1 gonum 1 2 1 1 1
small 1 gonum 2 1 1 1 1
small 2 torch 1 100.4 8 5 4
small 2 gonum 1 10 1 1 1
small 2 gonum 2 1.5 1 1 1
small 3 torch 1 6 6 3 3
small 3 gonum 1 3 1 1 1
small 3 gonum 2 0.5 1 1 1
TSV
steps_table() { awk -f "$tables/stats.awk" -f "$tables/bench/turns.awk" -f "$tables/bench/steps_table.awk" "$dir/tsv"; }
# Ratios are medians of the rounds' 4.5, 10.04 and 2, not 9/3 of the medians.
has "peer" '| small | torch | 1 | 9.00 | 6.00 to 100 | 4.00 |  |  |  |' steps_table
has "one thread" '| small | gonum | 1 | 3.00 | 2.00 to 10.0 | 1.00 | 4.50 |  |  |' steps_table
has "two threads" '| small | gonum | 2 | 1.00 | 0.5 to 1.50 | 1.00 | 12.0 |  | 6.00 |' steps_table

columns <<'TSV'
case round engine threads step_ms step_min_ms forward_ms forward_min_ms
small 1 torch 1 9 8 4 4
small 1 torch-graphs 1 4 4 2 2
small 1 torch 2 3 4 2 2
small 1 tensorflow 1 24 4 2 2
small 1 gpu-auto 1 2 1 1 1
small 1 gonum 2 2 1 1 1
small 2 gonum 2 5 1 1 1
large 1 gonum 2 5 1 1 1
TSV
has "the fastest peer on as many threads" '| small | gpu-auto | 1 | 2.00 | 2.00 to 2.00 | 1.00 | 2.00 | 12.0 |  |' steps_table
has "a peer on two threads, one round together" '| small | gonum | 2 | 3.50 | 2.00 to 5.00 | 1.00 | 1.50 | 12.0 |  |' steps_table
has "no ratio of peers" '| small | torch-graphs | 1 | 4.00 | 4.00 to 4.00 | 2.00 |  |  |  |' steps_table
has "a case without peers" '| large | gonum | 2 | 5.00 | 5.00 to 5.00 | 1.00 |  |  |  |' steps_table

columns <<'TSV'
case round engine threads forward_ms forward_p95_ms
small 1 torch 1 8 9
small 1 builtin 1 2 3
small 2 torch 1 8 10
small 2 builtin 1 4 6
small 3 torch 1 1 1
small 3 builtin 1 1 2
TSV
latency_table() { awk -f "$tables/stats.awk" -f "$tables/bench/turns.awk" -f "$tables/bench/latency_table.awk" "$dir/tsv"; }
has "a latency" '| small | builtin | 1 | 2.00 | 1.00 to 4.00 | 3.00 | 2.00 |' latency_table
has "the peer's latency" '| small | torch | 1 | 8.00 | 1.00 to 8.00 | 9.00 |  |' latency_table

columns <<'TSV'
what round ms wanted_ms
version 1 30 20
version 2 10 20
version 3 12 20
end 1 300
end 2 500
TSV
sed -i 's/^end.*/&\t/' "$dir/tsv"
start_table() { awk -f "$tables/stats.awk" -f "$tables/bench/start_table.awk" "$dir/tsv"; }
has "fast enough" '| version | 3 | 12.0 | 10.0 to 30.0 | below 20: yes |' start_table
has "no bound" '| end | 2 | 400 | 300 to 500 |  |' start_table
printf 'what\tround\tms\twanted_ms\nversion\t1\t20\t20\n' >"$dir/tsv"
has "too slow" '| version | 1 | 20.0 | 20.0 to 20.0 | below 20: NO |' start_table

columns <<'TSV'
sweep engine round x size rows batch hidden directions step_ms forward_ms buffers_mib peak_mib
hidden cpu 1 8 8x8 1000 1 8 1 1 0.5 1 10
hidden cpu 1 16 8x8 1000 1 16 1 2 1 2 20
hidden cpu 1 32 8x8 1000 1 32 1 4 2 4 30
hidden cpu 1 64 8x8 1000 1 64 1 16 4 8 nan
hidden cpu 1 128 8x8 1000 1 128 1 64 8 16 40
TSV
scale_table() { awk -f "$tables/stats.awk" -f "$tables/bench/scale_table.awk" "$dir/tsv"; }
has "the first point" '| 8x8 | 1 | 8 | 1 | cpu | 1.00 | 1000 |  | 0.5 | 1.00 | 1049 |  | 10.0 |' scale_table
has "quadratic from the point before" '| 8x8 | 1 | 128 | 1 | cpu | 64.0 | 64000 | 2.00 | 8.00 | 16.0 | 16777 | 1.00 | 40.0 |' scale_table
has "no peak" '| 8x8 | 1 | 64 | 1 | cpu | 16.0 | 16000 | 2.00 | 4.00 | 8.00 | 8389 | 1.00 |  |' scale_table
has "the fit" 'cpu: the best fit over all points has exponent 1.50 for the time and 1.00 for the buffers; over the largest 3, 2.00 and 1.00.' scale_table
sed -i 's/^hidden/directions/' "$dir/tsv"
if scale_table | grep -q 'best fit'; then die "a fit over several numbers of axes"; fi

. "$tables/bench/measure.sh"
has "products of this build" "builtin openblas gonum" products_of $'mdlstm-gpu 1\nblas    builtin avx512, OpenBLAS 0.3.21, gonum'
has "gonum alone" "gonum" products_of 'blas    gonum'

columns <<'TSV'
flags seed overall_loss relevant_loss seconds
--clip 1 0.01 0.001 1
--clip 2 0.02 0.9 1
--clip 3 0.03 0.003 1
--clip 4 0.04 0.0012 1
TSV
seeds_table() { awk -f "$tables/stats.awk" -f "$tables/seeds_table.awk" "$dir/tsv"; }
has "even number of runs" "| \`--clip\` | 4 | 0.0021 | 0.0010 to 0.9000 | 2 | 1 | 0.0250 |" seeds_table
has "number in JSON" 0.25 json_number step_ms <<<'{"step_min_ms": 0.1, "step_ms": 0.25, "forward_ms": 3}'

say "$checked expectations of the gates hold"
