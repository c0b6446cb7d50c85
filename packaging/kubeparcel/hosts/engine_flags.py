"""How podman and docker differ, a row each; and which of them is used here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from kubeparcel.errors import KubeparcelError, UsageError
from kubeparcel.hosts.engine import Engine, NoEngine
from kubeparcel.process import run

VARIABLE = "KUBEPARCEL_ENGINE"


@dataclass(frozen=True)
class Dialect:
    """The words in which engines differ.

    `systemd` starts a machine with systemd; `at_once` removes without waiting for a stop;
    `plain_http` reaches a registry on this machine that has no certificate.
    """

    name: str
    version: str
    quiet: tuple[str, ...]
    systemd: tuple[str, ...]
    at_once: tuple[str, ...]
    plain_http: tuple[str, ...]
    save: tuple[str, ...]
    packages: str


DIALECTS: Mapping[str, Dialect] = {
    "podman": Dialect(
        name="podman",
        version="{{.Client.Version}}",
        quiet=("--quiet",),
        systemd=("--systemd=always", "--cgroupns=private", "--tmpfs=/tmp", "--tmpfs=/run"),
        at_once=("--force", "--volumes", "--time=0"),
        plain_http=("--tls-verify=false",),
        save=("--quiet", "--multi-image-archive"),
        packages="podman runc conmon netavark aardvark-dns iptables nftables catatonit",
    ),
    "docker": Dialect(
        name="docker",
        version="{{.Server.Version}}",
        quiet=(),
        systemd=(
            *("--cgroupns=private", "--env=container=docker", "--stop-signal=SIGRTMIN+3"),
            *("--tmpfs=/tmp", "--tmpfs=/run:exec", "--tmpfs=/run/lock"),
        ),
        at_once=("--force", "--volumes"),
        plain_http=(),
        save=(),
        packages="docker.io",
    ),
}


def choose(name: str = "") -> Engine:
    """The engine of that name, else KUBEPARCEL_ENGINE's, else the first that answers.

    Raises NoEngine saying what to install, UsageError for a name that is none.
    """
    name = name or os.environ.get(VARIABLE, "")
    if name and name not in DIALECTS:
        raise UsageError(f"--engine {name}: there are {', '.join(DIALECTS)}.")
    reasons: list[str] = []
    for dialect in [DIALECTS[name]] if name else DIALECTS.values():
        try:
            return _answering(dialect)
        except NoEngine as error:
            reasons.append(f"{dialect.name}: {error.message}")
    raise NoEngine(
        "No container engine can be used: the levels install, service and cluster need one.\n  "
        + "\n  ".join(reasons),
        f"On Debian and Ubuntu: apt install {DIALECTS[name or 'podman'].packages}\n"
        "On Fedora, Rocky and openSUSE: dnf or zypper install podman.\n"
        "Without one, --level layout checks what is in the packages.",
    )


def _answering(dialect: Dialect) -> Engine:
    """The engine behind a row; raises NoEngine with the reason it cannot be used."""
    from kubeparcel.hosts.engine_cli import CommandLine

    if not shutil.which(dialect.name):
        raise NoEngine("is not installed.")
    try:
        done = run([dialect.name, "version", "--format", dialect.version], check=False, timeout=30)
    except KubeparcelError as error:
        raise NoEngine(error.message) from None
    version = done.stdout.strip()
    if done.exit_code or not version:
        said = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise NoEngine(f"is installed, but does not answer: {said[-1]}")
    return CommandLine(dialect, version)
