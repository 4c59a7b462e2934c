# Prints what fish completes each line of standard input to: "> LINE" and then the candidates.
# Usage: fish --no-config complete_lines.fish FILE, FILE being agent/cli/completion/hwenroll.fish.
source $argv[1]
while read -l line
    echo "> $line"
    complete -C "$line" | string replace -r '\t.*' ''
end
exit 0
