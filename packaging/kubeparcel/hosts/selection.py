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
from kubeparcel.hosts.base_images import ImageSpec
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.engine import Engine, EngineUnavailable
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.model import Format

REGISTRY_TIMEOUT = 5.0
"""Seconds for a registry to answer."""


def unavailable_reason(host: Host, engine: Engine, locations: ImageLocations) -> str:
    """Why a host cannot be made here, in plain words; empty when it can."""
    if any(engine.has_image(ImageSpec.for_host(host, p, locations).name) for p in Purpose):
        return ""
    if host.suite:
        return "" if shutil.which("mmdebstrap") else "mmdebstrap is not installed"
    registry = locations.base_image(host).partition("/")[0]
    return "" if is_reachable(registry) else f"{registry} does not answer"


@functools.cache
def is_reachable(registry: str) -> bool:
    """Whether a registry can be reached; behind a proxy only the engine can tell."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    host, _, port = registry.partition(":")
    try:
        with socket.create_connection((host, int(port or 443)), REGISTRY_TIMEOUT):
            return True
    except OSError:
        return False


def select_hosts(
    names: Sequence[str],
    level: str,
    formats: Collection[Format],
    engine: Engine,
    locations: ImageLocations,
) -> tuple[Host, ...]:
    """The hosts of these names; without names the first possible one for each format.

    Raises UsageError for an unknown host or one without the level, EngineUnavailable if no host is
    available.
    """
    rows = catalog.load_hosts()
    if names:
        return tuple(_with_level(rows.get(name), level) for name in names)
    known = (n for f in Format if f in formats for n in rows.defaults[f])
    found = {name: unavailable_reason(rows.hosts[name], engine, locations) for name in known}
    can = [name for name, why in found.items() if not why]
    hosts = [rows.default_host(format_, level, can) for format_ in Format if format_ in formats]
    chosen = tuple(host for host in hosts if host)
    if not chosen:
        raise EngineUnavailable(
            "No host can be made here: " + "; ".join(f"{n}: {why}" for n, why in found.items()),
            "Install mmdebstrap, or name a registry that answers: KUBEPARCEL_REGISTRY.",
        )
    return chosen


def _with_level(host: Host, level: str) -> Host:
    if level not in host.levels:
        able = ", ".join(
            name for name, row in catalog.load_hosts().hosts.items() if level in row.levels
        )
        raise UsageError(
            f"--on {host.name}: the level {level} cannot be proved there, only "
            f"{', '.join(host.levels)}.",
            f"Hosts for it: {able}.",
        )
    return host


def describe_hosts(hosts: Iterable[Host], engine: Engine) -> str:
    """`trixie (deb) · trixie-dnf (rpm) · podman 4.3.1`."""
    names = " · ".join(f"{host.name} ({host.format})" for host in hosts)
    return f"{names} · {engine.name} {engine.version}"


def log_hosts(hosts: Iterable[Host], engine: Engine, log: Log) -> None:
    """One line: which hosts are taken, and which engine."""
    log.info("Hosts", describe_hosts(hosts, engine))


@dataclass(frozen=True)
class HostAvailability:
    """All hosts with what each proves, and why one cannot be made here."""

    engine: str
    unavailable_reasons: Mapping[str, str]

    def render(self, *, as_json: bool) -> str:
        """A table, or JSON."""
        rows = catalog.load_hosts()
        first = {name for names in rows.defaults.values() for name in names[:1]}
        if as_json:
            hosts = [
                {
                    "name": host.name,
                    "title": host.title,
                    "format": str(host.format),
                    "manager": host.family.package_manager,
                    "levels": list(host.levels),
                    "from": host.image or host.suite,
                    "possible": not self.unavailable_reasons[host.name],
                    "obstacle": self.unavailable_reasons[host.name],
                }
                for host in rows.hosts.values()
            ]
            return json.dumps({"engine": self.engine, "hosts": hosts}, indent=2)
        from kubeparcel.console import format_table as columns

        lines = [
            [
                host.name + ("*" if host.name in first else ""),
                host.title,
                f"{host.format} through {host.family.package_manager}: {', '.join(host.levels)}",
                self.unavailable_reasons[host.name] or "yes",
            ]
            for host in rows.hosts.values()
        ]
        text = columns(["Host", "Is", "Proves", "Possible here"], lines)
        return f"{text}\n* taken first, unless --on says otherwise · engine: {self.engine}"


def host_availability(
    engine: str = "", locations: ImageLocations | None = None
) -> HostAvailability:
    """What `inv hosts` shows; works without an engine, which is then every host's obstacle."""
    where = locations or ImageLocations.from_environment()
    hosts = catalog.load_hosts().hosts.values()
    try:
        chosen = select_engine(engine)
    except EngineUnavailable as error:
        return HostAvailability(
            "none", {host.name: error.message.splitlines()[0] for host in hosts}
        )
    found = {host.name: unavailable_reason(host, chosen, where) for host in hosts}
    return HostAvailability(f"{chosen.name} {chosen.version}", found)
