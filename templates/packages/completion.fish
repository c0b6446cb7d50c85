# {{ program }} knows its own completions: what it prints always fits the installed version.
{{ program }} completion fish 2>/dev/null | source
