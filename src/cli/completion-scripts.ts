/** A script for each shell, which asks `isthmus __complete WORDS...` for lines of `WORD<TAB>DESCRIPTION`. */
export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# bash completion for isthmus
_isthmus() {
    local line word current
    # The line itself: bash would take words apart at colons and equals signs.
    read -r -a words <<< "\${COMP_LINE:0:COMP_POINT}"
    [[ "\${COMP_LINE:COMP_POINT-1:1}" == " " ]] && words+=("")
    current="\${COMP_WORDS[COMP_CWORD]}"
    local typed="\${words[-1]}"
    local cut="\${typed%"$current"}"
    COMPREPLY=()
    while IFS= read -r line; do
        word="\${line%%$'\\t'*}"
        COMPREPLY+=("\${word#"$cut"}")
    done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
    if [[ \${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o default
    fi
}
complete -F _isthmus isthmus
`,
  zsh: `#compdef isthmus
# zsh completion for isthmus
_isthmus() {
    local -a candidates
    local line word about
    while IFS=$'\\t' read -r word about; do
        candidates+=("\${word//:/\\\\:}:\${about}")
    done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( \${#candidates} )); then
        _describe 'isthmus' candidates
    else
        _files
    fi
}
if [ "\${funcstack[1]}" = "_isthmus" ]; then
    _isthmus
else
    compdef _isthmus isthmus
fi
`,
  fish: `# fish completion for isthmus
function __isthmus_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    $words[1] __complete $words[2..-1] "$current" 2>/dev/null
end
complete -c isthmus -a '(__isthmus_complete)'
`,
};
