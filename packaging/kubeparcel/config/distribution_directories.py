"""The directories of distributions, which packages need not own."""

from __future__ import annotations

from collections.abc import Mapping

_SUBDIRECTORIES: Mapping[str, str] = {
    "/": "",
    "/etc/": "cron.d, default, logrotate.d, modules-load.d, profile.d, sysconfig, sysctl.d",
    "/etc/systemd/": "system, system-preset",
    "/lib/": "",
    "/lib/systemd/": "system, system-preset",
    "/opt/": "",
    "/usr/": "bin, libexec, sbin",
    "/usr/lib/": "modules-load.d, sysctl.d, sysusers.d, tmpfiles.d, udev, udev/rules.d",
    "/usr/lib/systemd/": "system, system-preset",
    "/usr/local/": "bin, etc, lib, sbin, share",
    "/usr/share/": "",
    "/usr/share/bash-completion/": "completions",
    "/usr/share/doc/": "packages",
    "/usr/share/fish/": "vendor_completions.d",
    "/usr/share/licenses/": "",
    "/usr/share/man/": "man1, man5, man7, man8",
    "/usr/share/zsh/": "site-functions, vendor-completions",
    "/var/": "cache, lib, log",
}

DISTRIBUTION_DIRECTORIES = frozenset(
    {"/"}
    | {parent.rstrip("/") for parent in _SUBDIRECTORIES}
    | {parent + name for parent, names in _SUBDIRECTORIES.items() for name in names.split(", ")}
)
"""Directories that packages of the distribution own, or that every package may assume."""
