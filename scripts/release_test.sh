#!/usr/bin/env bash
# Builds a release of the last commit twice, in folders, time zones and under
# masks that differ, wants the same bytes, and uses what is in it as a user would.
set -euo pipefail
. "$(dirname "$0")/release.sh" # its functions
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
target=linux/$(go env GOHOSTARCH)

# What has no licence is not handed out.
mkdir -p "$dir/none/docs" "$dir/some"
touch "$dir/none/README" "$dir/none/docs/LICENSE" "$dir/some/Copying.txt" "$dir/some/NOTICE"
if (copy_licence none@v1 "$dir/none" "$dir/copied") >"$dir/output"; then die "a module without a licence file passes"; fi
grep -q 'none@v1 has no licence file' "$dir/output" || die "the message names no module: $(cat "$dir/output")"
copy_licence some@v1 "$dir/some" "$dir/copied"
[ "$(ls "$dir/copied/some@v1")" = $'Copying.txt\nNOTICE' ] || die "copied $(ls "$dir/copied/some@v1")"

mkdir "$dir/tmp" "$dir/a longer name"
TARGETS=$target OUT=$dir/first TMPDIR=$dir/tmp scripts/release.sh
(umask 077 && TZ=Asia/Tokyo LC_ALL=C TARGETS=$target OUT=$dir/second TMPDIR="$dir/a longer name" scripts/release.sh) >/dev/null
diff -r "$dir/first" "$dir/second" || die "two builds of one commit differ"
if TARGETS=$target OUT=$dir/first scripts/release.sh >/dev/null 2>&1; then die "a release is overwritten"; fi

commit=$(git rev-parse HEAD) root=$PWD
cd "$dir/first"
sha256sum --quiet -c SHA256SUMS
mkdir "$dir/prefix"
tar xzf ./*.tar.gz -C "$dir/prefix" --strip-components 1
cmp ./*.cdx.json "$dir/prefix/share/doc/mdlstm-gpu/sbom.cdx.json"
cd "$dir/prefix"
PATH=$PWD/bin:$PATH
mdlstm-gpu version >"$dir/output"
grep -qx "commit  $commit" "$dir/output" || die "the program is not of commit $commit: $(cat "$dir/output")"
grep -q '^build   no cgo, GO' "$dir/output" || die "the program has cgo: $(cat "$dir/output")"
if grep -qF -e "$dir" -e "$root" bin/mdlstm-gpu; then die "the program has paths of this machine in it"; fi
go version -m bin/mdlstm-gpu | awk '$1 == "dep" { print $2 "@" $3 }' >"$dir/modules"
[ "$(wc -l <"$dir/modules")" -ge 10 ] || die "only $(wc -l <"$dir/modules") modules are linked"
while read -r module; do
  [ -n "$(ls "share/doc/mdlstm-gpu/licences/$module")" ] || die "no licence of $module"
done <"$dir/modules"
if find . -path '*cuda5*' | grep -q .; then die "cuda5 is in the archive"; fi
for file in README.md CHANGELOG.md LICENSE "licences/go@$(go env GOVERSION)/LICENSE"; do
  [ -s "share/doc/mdlstm-gpu/$file" ] || die "no $file"
done
mdlstm-gpu man | cmp - share/man/man1/mdlstm-gpu.1
mdlstm-gpu completion bash | cmp - share/bash-completion/completions/mdlstm-gpu
mdlstm-gpu completion zsh | cmp - share/zsh/site-functions/_mdlstm-gpu
mdlstm-gpu completion fish | cmp - share/fish/vendor_completions.d/mdlstm-gpu.fish
mdlstm-gpu train --size 4x4 --steps 5 --out run 2>/dev/null >"$dir/output"
grep -q '^model ' "$dir/output" || die "no model: $(cat "$dir/output")"
python3 - share/doc/mdlstm-gpu/sbom.cdx.json "$dir/modules" <<'PY'
import json, sys
bom = json.load(open(sys.argv[1]))
want = open(sys.argv[2]).read().split()
got = [c["name"] + "@" + c["version"] for c in bom["components"]]
assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6"), bom
assert sorted(got) == sorted(want), (got, want)
assert all(c["purl"] and c["hashes"] for c in bom["components"])
PY
say "the release of $commit for $target is the same from two folders, and works"
