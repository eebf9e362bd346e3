#!/usr/bin/env bash
# Builds what is handed out, from the last commit: for each target an archive to
# unpack into a prefix (program, manual, completions, documents, the licences of
# all that is linked) and its bill of materials, and SHA256SUMS over all of them.
# The same commit and go give the same bytes in any folder.
#   TARGETS  default "linux/amd64 linux/arm64"
#   OUT      new folder, default build/release
# Without cgo and tags: these programs run on any Linux, and have no GPU engine.
# Its bindings, cuda5, have no licence; it is built from source.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gates.sh"
. "$(dirname "$0")/share.sh"
repository_root
require_go

# copy_licences PROGRAM DIR copies the licences of go and of every module that is
# linked into a program to DIR/MODULE@VERSION, and fails where one has none.
copy_licences() {
  local module version from
  copy_licence "go@$(go env GOVERSION)" "$(go env GOROOT)" "$2" || return 1
  while read -r module version; do
    from=$(go list -m -f '{{.Dir}}' "$module") || return 1
    copy_licence "$module@$version" "$from" "$2" || return 1
  done < <(go version -m "$1" | awk '$1 == "dep" { print $2, $3 }')
}

# copy_licence NAME FROM DIR copies what says under which terms a folder may be used.
copy_licence() {
  local found
  found=$(find "$2" -maxdepth 1 -type f -iregex '.*/\(licen[cs]e\|copying\|unlicense\)[^/]*')
  [ -n "$found" ] || {
    say "$1 has no licence file in $2: it must not be handed out"
    return 1
  }
  mkdir -p "$3/$1"
  find "$2" -maxdepth 1 -iregex '.*/\(licen[cs]es?\|copying\|unlicense\|notice\|patents\|authors\|third_party_licenses\)[^/]*' \
    -exec cp -R --no-preserve=mode {} "$3/$1/" \;
}

# write_sbom PROGRAM FILE writes a bill of materials (CycloneDX) of what is linked
# into a program. No licences are in it: what the tool takes golang.org/x and
# freetype for is wrong. Its hashes of itself would differ between machines.
write_sbom() {
  local name
  "$sbom" bin -json -noserial -notimestamp -version "$version" -output "$2.all" "$1" 2>"$2.log" || {
    cat "$2.log"
    return 1
  }
  sed '/^    "tools": \[/,/^    \]/ { /^        "hashes": \[/,/^        \]/ d }' "$2.all" >"$2"
  for name in $(go version -m "$1" | awk '$1 == "dep" { print $2 "@" $3 }'); do
    grep -qF "\"purl\": \"pkg:golang/$name?" "$2" || {
      say "$2 does not list $name"
      return 1
    }
  done
}

# pack FOLDER TIME writes FOLDER.tar.gz, whose bytes follow from the files alone.
pack() {
  tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w \
    --mtime="@$2" -C "$(dirname "$1")" "$(basename "$1")" | gzip -9 -n >"$1.tar.gz"
}

# build TARGET builds one into $work/done.
build() {
  local os=${1%/*} arch=${1#*/} name prefix doc
  name=mdlstm-gpu-$version-$os-$arch
  prefix=$work/$name
  doc=$prefix/share/doc/mdlstm-gpu
  mkdir -p "$prefix/bin" "$doc/licences"
  say "building $name"
  GOOS=$os GOARCH=$arch go build "${options[@]}" -o "$prefix/bin/" ./cmd/mdlstm-gpu
  write_share "$work/native" "$prefix"
  cp -R README.md CHANGELOG.md LICENSE docs "$doc/"
  copy_licences "$prefix/bin/mdlstm-gpu" "$doc/licences" || die "$name cannot be made"
  write_sbom "$prefix/bin/mdlstm-gpu" "$work/$name.cdx.json" || die "$name has no bill of materials"
  cp "$work/$name.cdx.json" "$doc/sbom.cdx.json"
  pack "$prefix" "$time"
  mv "$prefix.tar.gz" "$work/$name.cdx.json" "$work/done/"
}

main() {
  git rev-parse --verify -q HEAD >/dev/null || die "no git commit here: a release is made of one"
  [ -z "$(git status --porcelain)" ] || say "note: what is not committed is not in the release"
  sbom=$(sbom_binary) || die "$sbom_tool can neither be found nor fetched"
  out=${OUT:-build/release}
  [ ! -e "$out" ] || [ -n "$(find "$out" -maxdepth 0 -empty)" ] || die "$out is not empty: remove it, or set OUT to a new folder"
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/done"

  # A clone has the commit only, and a .git that go can read the commit from,
  # which it cannot in a linked worktree.
  git clone --quiet --no-checkout . "$work/src"
  git -C "$work/src" -c advice.detachedHead=false checkout --quiet "$(git rev-parse HEAD)"
  cd "$work/src"
  version=$(git describe --tags --match 'v*' 2>/dev/null) || version=v0.0.0-$(git log -1 --format=%h --abbrev=12)
  version=${version#v}
  time=$(git log -1 --format=%ct)
  export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOAMD64=v1 GOARM64=v8.0 GOWORK=off GOEXPERIMENT=
  options=(-trimpath -buildvcs=true -ldflags "-X main.version=$version")
  go build "${options[@]}" -o "$work/native" ./cmd/mdlstm-gpu
  for target in ${TARGETS:-linux/amd64 linux/arm64}; do
    build "$target"
  done
  cd "$work/done"
  sha256sum -- *.tar.gz *.json >SHA256SUMS
  chmod 644 ./*
  mv ./* "$out/"
  say "$out:"
  ls -l "$out"
}

# Sourced by scripts/gates_test.sh for its parts.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main; fi
