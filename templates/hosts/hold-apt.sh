# Keep packages at their versions in upgrades.
apt-mark hold "$@"
