# shellcheck shell=bash
# Sourced: what belongs beside the program below a prefix such as /usr/local.

# write_share PROGRAM PREFIX writes the manual and the completions where man and
# the shells look for them.
write_share() {
  local program=$1 share=$2/share
  mkdir -p "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d" &&
    "$program" man >"$share/man/man1/mdlstm-gpu.1" &&
    "$program" completion bash >"$share/bash-completion/completions/mdlstm-gpu" &&
    "$program" completion zsh >"$share/zsh/site-functions/_mdlstm-gpu" &&
    "$program" completion fish >"$share/fish/vendor_completions.d/mdlstm-gpu.fish"
}
