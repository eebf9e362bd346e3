#compdef mdlstm-gpu
# Completion of mdlstm-gpu for zsh: commands and flags from the program itself,
# file names elsewhere.
_mdlstm_gpu() {
	local -a command
	if ((CURRENT > 2)); then
		if [[ ${words[CURRENT]} != -* ]]; then
			_files
			return
		fi
		command=("${words[2]}")
	fi
	compadd -- ${(f)"$("${words[1]}" "${command[@]}" --generate-bash-completion 2>/dev/null)"}
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
	_mdlstm_gpu "$@"
else
	compdef _mdlstm_gpu mdlstm-gpu
fi
