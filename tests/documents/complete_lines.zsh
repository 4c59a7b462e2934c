# Prints what zsh completes each line of standard input to: "> LINE" and then the candidates.
# Usage: zsh -f complete_lines.zsh FILE, FILE being agent/cli/completion/_hwenroll.
# Completion needs the line editor, and that a terminal: the lines are typed into a second shell behind a pseudo-terminal,
# where compadd also writes down what it is given.

if [[ -n $COMPLETION_FOUND ]]; then
    # The second shell.
    PROMPT=
    unsetopt prompt_cr prompt_sp
    fpath=(${COMPLETION_FILE:h} $fpath)
    autoload -Uz compinit
    compinit -u -D
    compadd() {
        if [[ " ${@[1,(i)(-|--)]} " != *' '-[OAD]' '* ]]; then
            local -a found
            builtin compadd -O found "$@"
            (( $#found )) && print -rl -- $found >>$COMPLETION_FOUND
        fi
        builtin compadd "$@"
    }
    keep_line() { compstate[insert]= compstate[list]= }
    comppostfuncs=(keep_line)
    zle -C complete-line complete-word _main_complete
    type_and_tell() {
        print -r -- "> $BUFFER" >>$COMPLETION_FOUND
        comppostfuncs=(keep_line)
        zle complete-line
        BUFFER=
        print -n '@@DONE@@'
    }
    zle -N type_and_tell
    bindkey '^I' type_and_tell
    print -n '@@READY@@'
    return
fi

zmodload zsh/zpty
export COMPLETION_FILE=$1 COMPLETION_FOUND=$(mktemp)
script=${0:A}
# Bound each wait for the second shell; end it whatever happens.
TRAPEXIT() { zpty -d second 2>/dev/null; rm -f $COMPLETION_FOUND }
zpty second 'zsh -f -i'
zpty -w second "source ${(q)script}"
zpty -r second seen '*@@READY@@*'
while IFS= read -r line; do
    zpty -w -n second "$line"$'\t'
    zpty -r second seen '*@@DONE@@*'
done
cat $COMPLETION_FOUND
