"""The engines, the arguments in which they differ, and the selection of one of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from kubeparcel import process
from kubeparcel.errors import KubeparcelError, UsageError
from kubeparcel.hosts.engine import Engine, EngineFlags, EngineUnavailable

ENGINE_VARIABLE = "KUBEPARCEL_ENGINE"

ENGINES: Mapping[str, EngineFlags] = {
    "podman": EngineFlags(
        name="podman",
        version_format="{{.Client.Version}}",
        quiet=("--quiet",),
        systemd=("--systemd=always", "--cgroupns=private", "--tmpfs=/tmp", "--tmpfs=/run"),
        force_remove=("--force", "--volumes", "--time=0"),
        plain_http=("--tls-verify=false",),
        save=("--quiet", "--multi-image-archive"),
        debian_packages="podman runc conmon netavark aardvark-dns iptables nftables catatonit",
    ),
    "docker": EngineFlags(
        name="docker",
        version_format="{{.Server.Version}}",
        systemd=(
            *("--cgroupns=private", "--env=container=docker", "--stop-signal=SIGRTMIN+3"),
            *("--tmpfs=/tmp", "--tmpfs=/run:exec", "--tmpfs=/run/lock"),
        ),
        force_remove=("--force", "--volumes"),
        debian_packages="docker.io",
    ),
}
"""In the order in which they are tried."""


def select_engine(name: str = "") -> Engine:
    """Return the engine `name`, else that of KUBEPARCEL_ENGINE, else the first that works.

    Raises UsageError for an unknown name, EngineUnavailable with what to install.
    """
    name = name or os.environ.get(ENGINE_VARIABLE, "")
    if name and name not in ENGINES:
        raise UsageError(f"Unknown engine {name!r}: use {' or '.join(ENGINES)}.")
    reasons: list[str] = []
    for flags in [ENGINES[name]] if name else ENGINES.values():
        try:
            return _connect(flags)
        except EngineUnavailable as error:
            reasons.append(f"{flags.name} {error.message}")
    raise EngineUnavailable(
        "No usable container engine; the levels install, service and cluster need one.\n  " + "\n  ".join(reasons),
        f"On Debian and Ubuntu: apt install {ENGINES[name or 'podman'].debian_packages}\n"
        "On Fedora and Rocky Linux: dnf install podman. On openSUSE: zypper install podman.\n"
        "Without an engine, inv verify --level layout checks the contents of the packages.",
    )


def _connect(flags: EngineFlags) -> Engine:
    """Return a working engine; raise EngineUnavailable with the reason."""
    if not shutil.which(flags.name):
        raise EngineUnavailable("is not installed.")
    argv = [flags.name, "version", "--format", flags.version_format]
    try:
        completed = process.run(argv, check=False, timeout=30)
    except KubeparcelError as error:
        raise EngineUnavailable(f"does not work: {error.message}") from None
    version = completed.stdout.strip()
    if completed.exit_code or not version:
        output = completed.stderr.strip().splitlines() or ["it printed nothing"]
        raise EngineUnavailable(f"is installed, but does not work: {output[-1]}")
    return Engine(flags, version)
