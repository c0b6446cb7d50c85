# Keep packages at their versions in upgrades.
zypper --non-interactive addlock "$@"
