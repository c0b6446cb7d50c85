"""Which hosts this machine can make, and which are taken when nobody says."""

from __future__ import annotations

import functools
import json
import os
import shutil
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubeparcel.console import Log
from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.base_images import Definition
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.engine import Engine, NoEngine
from kubeparcel.hosts.engine_cli import choose
from kubeparcel.hosts.image_locations import Places
from kubeparcel.model import Format

PATIENCE = 5.0
"""Seconds for a registry to answer."""


def obstacle(host: Host, engine: Engine, places: Places) -> str:
    """Why a host cannot be made here, in plain words; empty when it can."""
    if any(engine.has_image(Definition.of(host, p, places).name) for p in Purpose):
        return ""
    if host.suite:
        return "" if shutil.which("mmdebstrap") else "mmdebstrap is not installed"
    registry = places.image(host).partition("/")[0]
    return "" if answers(registry) else f"{registry} does not answer"


@functools.cache
def answers(registry: str) -> bool:
    """Whether a registry can be reached; behind a proxy only the engine can tell."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    host, _, port = registry.partition(":")
    try:
        with socket.create_connection((host, int(port or 443)), PATIENCE):
            return True
    except OSError:
        return False


def pick(
    names: Sequence[str], level: str, formats: Collection[Format], engine: Engine, places: Places
) -> tuple[Host, ...]:
    """The hosts of these names; without names the first possible one for each format.

    Raises UsageError for a host that does not exist or does not have the level, NoEngine when
    there is none for any format.
    """
    rows = catalog.load()
    if names:
        return tuple(_with_level(rows.pick(name), level) for name in names)
    known = (n for f in Format if f in formats for n in rows.defaults[f])
    found = {name: obstacle(rows.hosts[name], engine, places) for name in known}
    can = [name for name, why in found.items() if not why]
    hosts = [rows.first(format_, level, can) for format_ in Format if format_ in formats]
    chosen = tuple(host for host in hosts if host)
    if not chosen:
        raise NoEngine(
            "No host can be made here: " + "; ".join(f"{n}: {why}" for n, why in found.items()),
            "Install mmdebstrap, or name a registry that answers: KUBEPARCEL_REGISTRY.",
        )
    return chosen


def _with_level(host: Host, level: str) -> Host:
    if level not in host.levels:
        able = ", ".join(name for name, row in catalog.load().hosts.items() if level in row.levels)
        raise UsageError(
            f"--on {host.name}: the level {level} cannot be proved there, only "
            f"{', '.join(host.levels)}.",
            f"Hosts for it: {able}.",
        )
    return host


def shown(hosts: Iterable[Host], engine: Engine) -> str:
    """`trixie (deb) · trixie-dnf (rpm) · podman 4.3.1`."""
    names = " · ".join(f"{host.name} ({host.format})" for host in hosts)
    return f"{names} · {engine.name} {engine.version}"


def say(hosts: Iterable[Host], engine: Engine, log: Log) -> None:
    """One line: which hosts are taken, and which engine."""
    log.info("Hosts", shown(hosts, engine))


@dataclass(frozen=True)
class Listing:
    """All hosts with what each proves, and why one cannot be made here."""

    engine: str
    obstacles: Mapping[str, str]

    def show(self, *, as_json: bool) -> str:
        """A table, or JSON."""
        rows = catalog.load()
        first = {name for names in rows.defaults.values() for name in names[:1]}
        if as_json:
            hosts = [
                {
                    "name": host.name,
                    "title": host.title,
                    "format": str(host.format),
                    "manager": host.family.manager,
                    "levels": list(host.levels),
                    "from": host.image or host.suite,
                    "possible": not self.obstacles[host.name],
                    "obstacle": self.obstacles[host.name],
                }
                for host in rows.hosts.values()
            ]
            return json.dumps({"engine": self.engine, "hosts": hosts}, indent=2)
        from kubeparcel.console import format_table as columns

        lines = [
            [
                host.name + ("*" if host.name in first else ""),
                host.title,
                host.proves,
                self.obstacles[host.name] or "yes",
            ]
            for host in rows.hosts.values()
        ]
        text = columns(["Host", "Is", "Proves", "Possible here"], lines)
        return f"{text}\n* taken first, unless --on says otherwise · engine: {self.engine}"


def listing(engine: str = "", places: Places | None = None) -> Listing:
    """What `inv hosts` shows; works without an engine, which is then every host's obstacle."""
    where = places or Places.of_machine()
    hosts = catalog.load().hosts.values()
    try:
        chosen = choose(engine)
    except NoEngine as error:
        return Listing("none", {host.name: error.message.splitlines()[0] for host in hosts})
    found = {host.name: obstacle(host, chosen, where) for host in hosts}
    return Listing(f"{chosen.name} {chosen.version}", found)
