# Load the bash completion of a program as pressing Tab does, and print it.
# The package's own file must define it: newer versions of bash-completion have a fallback.
bash -c '. /usr/share/bash-completion/bash_completion; . "$1"; complete -p "$2"' - \
    "/usr/share/bash-completion/completions/$1" "$1" >/dev/null || exit 1
. /usr/share/bash-completion/bash_completion
if declare -F _comp_load >/dev/null; then
    _comp_load "$1" # bash-completion 2.12 and later
else
    _completion_loader "$1" || :
fi
found=$(complete -p "$1")
echo "$found"
# The fallback for programs without a completion, which completes file names.
case $found in *_minimal*) exit 1 ;; esac
declare -F "$(echo "$found" | sed 's/.*-F \([^ ]*\).*/\1/')"
