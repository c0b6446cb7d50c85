# Remove systemd, as on a host with another init system.
if command -v dpkg >/dev/null && dpkg --status systemd >/dev/null 2>&1; then
    dpkg --purge --force-depends systemd
else
    rm -f /usr/bin/systemctl /bin/systemctl
fi
rm -rf /run/systemd
! command -v systemctl
