# Completion of mdlstm-gpu for bash: commands and flags from the program itself,
# file names elsewhere.
_mdlstm_gpu() {
	local current=${COMP_WORDS[COMP_CWORD]} command=()
	COMPREPLY=()
	if ((COMP_CWORD > 1)); then
		[[ $current == -* ]] || return
		command=("${COMP_WORDS[1]}")
	fi
	mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" "${command[@]}" --generate-bash-completion 2>/dev/null)" -- "$current")
}
complete -o bashdefault -o default -F _mdlstm_gpu mdlstm-gpu
