#compdef {{ program }}
# {{ program }} knows its own completions: what it prints always fits the installed version.
source <({{ program }} completion zsh 2>/dev/null)
