"""Mutants of the scriptlets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.support.mutants.mutant import BOTH, Mutant, call


def _script(
    name: str,
    text: str,
    check: str,
    *also: str,
    package: str = "kubelet",
    script: str = "postinstall",
    formats: Sequence[str] = BOTH,
) -> Mutant:
    return Mutant(
        f"scriptlet: {name}", package, call("append_to_script", script, text), check, formats, frozenset(also)
    )


_FIRST_INSTALLATION = {"deb": '[ -z "$2" ] && ', "rpm": '[ "$1" -eq 1 ] && '}


SCRIPTS = (
    _script("restarts the kubelet", "systemctl restart kubelet || true", "scripts-leave-kubelet-running"),
    _script(
        "restarts it if it runs",
        "if [ -d /run/systemd/system ]; then systemctl try-restart kubelet.service || true; fi",
        "scripts-leave-kubelet-running",
    ),
    _script(
        "restarts it from kubeadm",
        "systemctl --no-block restart kubelet || :",
        "scripts-leave-kubelet-running",
        package="kubeadm",
    ),
    _script(
        "starts it when enabling",
        'if [ -z "$2" ] && [ "$1" = 1 ]; then systemctl enable --now kubelet || true; fi',
        "scripts-leave-kubelet-running",
    ),
    _script("restarts it with service", "service kubelet restart || true", "scripts-leave-kubelet-running"),
    _script("restarts it inside $( )", 'x="$(systemctl restart kubelet || true)"', "scripts-leave-kubelet-running"),
    _script("kills it", "pkill kubelet || true", "scripts-leave-kubelet-running"),
    _script(
        "stops it at every upgrade",
        "systemctl stop kubelet || true",
        "scripts-stop-on-removal-only",
        script="preremove",
    ),
    _script(
        "stops it at an upgrade too",
        'case "$1" in\n  upgrade | remove)\n    systemctl stop kubelet || true\n    ;;\nesac',
        "scripts-stop-on-removal-only",
        script="preremove",
        formats=("deb",),
    ),
    _script(
        "stops it while a version remains",
        'if [ "$1" -ge 1 ]; then systemctl stop kubelet || true; fi',
        "scripts-stop-on-removal-only",
        script="preremove",
        formats=("rpm",),
    ),
    _script(
        "enables it at upgrades only",
        'if [ -n "$2" ]; then systemctl enable kubelet || true; fi',
        "scripts-enable-once",
        formats=("deb",),
    ),
    Mutant(
        "scriptlet: enables it at every upgrade",
        "kubelet",
        lambda d: d.replace_in_script("postinstall", _FIRST_INSTALLATION[d.format], ""),
        "scripts-enable-once",
    ),
    _script("needs systemd", "systemctl daemon-reload", "scripts-without-systemd", "scripts-succeed"),
    _script("fails with an and-list", "[ -d /run/systemd/system ] && systemctl daemon-reload", "scripts-succeed"),
    _script("exits with 1", "exit 1", "scripts-succeed"),
    _script(
        "removes the plugins",
        "rm -rf /opt/cni/bin",
        "scripts-no-recursive-removal",
        "scripts-leave-data",
        package="kubernetes-cni",
        script="preremove",
    ),
    _script(
        "removes a plugin of others",
        "rm -f /opt/cni/bin/calico",
        "scripts-leave-data",
        package="kubernetes-cni",
        script="postremove",
    ),
    _script(
        "removes the node's state", "rm -f /var/lib/kubelet/config.yaml", "scripts-leave-data", script="postremove"
    ),
    _script("fails in a second run", "mkdir /var/lib/kubeparcel", "scripts-idempotent"),
    _script("appends to a file", "echo vm.swappiness=0 >> /etc/sysctl.conf", "scripts-idempotent"),
    _script("bash syntax", 'if [[ "$1" == configure ]]; then :; fi', "scripts-posix"),
    _script("syntax error", "if true; then", "scripts-parse"),
    Mutant(
        "scriptlet: another interpreter",
        "kubelet",
        call("replace_in_script", "postinstall", "#!/bin/sh", "#!/usr/bin/python3"),
        "scripts-interpreter",
        ("deb",),
        frozenset({"scripts-reload-systemd"}),
    ),
    Mutant(
        "scriptlet: no daemon-reload",
        "kubeadm",
        lambda d: d.config["scripts"].pop("postremove"),
        "scripts-reload-systemd",
    ),
    Mutant(
        "scriptlet: the old drop-in stays",
        "kubeadm",
        lambda d: d.config["scripts"].pop("preinstall"),
        "obsolete-drop-in-removed",
        ("deb",),
        official=True,
    ),
    replace(_script("another text", "true", "scripts-exact"), exact=True),
)
