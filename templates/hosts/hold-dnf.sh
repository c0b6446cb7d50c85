# Keep packages at their versions in upgrades; dnf 4 has no versionlock without a plugin.
grep -q '^\[main\]' /etc/dnf/dnf.conf 2>/dev/null || { mkdir -p /etc/dnf; echo '[main]' >>/etc/dnf/dnf.conf; }
sed -i "/^\[main\]/a excludepkgs=$*" /etc/dnf/dnf.conf
