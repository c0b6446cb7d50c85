# {{ program }} knows its own completions: what it prints always fits the installed version.
eval "$({{ program }} completion bash 2>/dev/null)"
