# Prints what bash completes each line of standard input to: "> LINE" and then the candidates.
# Usage: bash --norc complete_lines.bash FILE, FILE being agent/cli/completion/hwenroll.bash.
. "$1"
complete -p hwenroll >/dev/null || exit 1
while IFS= read -r line; do
    read -ra COMP_WORDS <<<"$line"
    [ "${line% }" = "$line" ] || COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMP_LINE=$line
    COMP_POINT=${#line}
    _hwenroll hwenroll "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '> %s\n' "$line"
    [ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
done
