"""Which hosts are available on this machine, and which are used by default."""

from __future__ import annotations

import functools
import json
import os
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

from kubeparcel.console import quantity
from kubeparcel.errors import UsageError
from kubeparcel.hosts.base_images import ImageSpec
from kubeparcel.hosts.catalog import Host, Purpose, load_hosts
from kubeparcel.hosts.engine import Engine, EngineUnavailable
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.model import Format
from kubeparcel.tables import format_table

REGISTRY_TIMEOUT = 5.0
"""Seconds to wait for a connection to a registry."""


def unavailable_reason(host: Host, engine: Engine, locations: ImageLocations) -> str:
    """Return why a host's image can be neither found nor built here; empty if it can."""
    names = (ImageSpec.for_host(host, purpose, locations).name for purpose in Purpose)
    if any(engine.has_image(name) for name in names):
        return ""
    if host.suite:
        return "" if shutil.which("mmdebstrap") else "mmdebstrap is not installed"
    registry = locations.base_image(host).partition("/")[0]
    return "" if is_reachable(registry) else f"{registry} is unreachable"


@functools.cache
def is_reachable(registry: str) -> bool:
    """Return whether a registry accepts connections; behind a proxy it is assumed to."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    host, _, port = registry.partition(":")
    try:
        with socket.create_connection((host, int(port or 443)), REGISTRY_TIMEOUT):
            return True
    except OSError:
        return False


def select_hosts(
    names: Sequence[str], level: str, formats: Collection[Format], engine: Engine, locations: ImageLocations
) -> tuple[Host, ...]:
    """Return the named hosts; without names, the first available default host of each format.

    Raises UsageError for an unknown host or one that does not support the level, EngineUnavailable
    if no default host is available.
    """
    catalog = load_hosts()
    if names:
        return named_hosts(names, level)
    candidates = (name for f in Format if f in formats for name in catalog.defaults[f])
    reasons = {n: unavailable_reason(catalog.hosts[n], engine, locations) for n in candidates}
    hosts = default_hosts(level, formats, [name for name, reason in reasons.items() if not reason])
    if not hosts:
        raise EngineUnavailable(
            f"No host is available for the level {level}: "
            + "; ".join(f"{name}: {reason}" for name, reason in reasons.items()),
            "Install mmdebstrap (apt install mmdebstrap), or name a reachable registry in KUBEPARCEL_REGISTRY.",
        )
    return hosts


def named_hosts(names: Sequence[str], level: str) -> tuple[Host, ...]:
    """Return hosts by name; raise UsageError for an unknown one, or one that does not support the level."""
    return tuple(_require_level(load_hosts().get(name), level) for name in names)


def default_hosts(
    level: str, formats: Collection[Format], available: Collection[str] | None = None
) -> tuple[Host, ...]:
    """Return the first default host of each format that supports the level, of those available."""
    catalog = load_hosts()
    usable = catalog.hosts if available is None else available
    defaults = (catalog.default_host(format_, level, usable) for format_ in Format if format_ in formats)
    return tuple(host for host in defaults if host)


def _require_level(host: Host, level: str) -> Host:
    if level not in host.levels:
        suitable = ", ".join(n for n, h in load_hosts().hosts.items() if level in h.levels)
        raise UsageError(
            f"The host {host.name} does not support the level {level}, only {', '.join(host.levels)}.",
            f"Hosts for the level {level}: {suitable}.",
        )
    return host


def describe_hosts(hosts: Iterable[Host], engine: Engine) -> str:
    """Return `trixie (deb) · trixie-dnf (rpm) · podman 4.3.1`."""
    names = " · ".join(f"{host.name} ({host.format})" for host in hosts)
    return f"{names} · {engine.name} {engine.version}"


@dataclass(frozen=True)
class HostAvailability:
    """The engine, and by host the reason why it is unavailable; empty if it is available.

    `engine_error` is the reason if no engine is available.
    """

    engine: str
    unavailable_reasons: Mapping[str, str]
    engine_error: str = ""

    def as_json(self) -> str:
        hosts = [
            {
                "name": host.name,
                "title": host.title,
                "format": str(host.format),
                "package_manager": host.family.package_manager,
                "levels": list(host.levels),
                "origin": host.image or host.suite,
                "available": not self.unavailable_reasons[host.name],
                "unavailable_reason": self.unavailable_reasons[host.name],
            }
            for host in load_hosts().hosts.values()
        ]
        return json.dumps({"engine": self.engine, "hosts": hosts}, indent=2)

    def as_text(self, *, everything: bool = False) -> str:
        """Return the available hosts as a table; with `everything` all, and why they are unavailable."""
        catalog = load_hosts()
        defaults = {names[0] for names in catalog.defaults.values()}
        lines = [
            [
                host.name + ("*" if host.name in defaults else ""),
                host.title,
                f"{host.format} ({host.family.package_manager})",
                f"up to {host.levels[-1]}",
                *([("no" if self.unavailable_reasons[host.name] else "yes")] if everything else []),
            ]
            for host in catalog.hosts.values()
            if everything or not self.unavailable_reasons[host.name]
        ]
        headers = ["Host", "Distribution", "Packages", "Levels", *(["Available"] if everything else [])]
        table = format_table(headers, lines)
        footer = [
            f"* default host · engine: {self.engine}",
            *([self.engine_error] if self.engine_error else self._unavailable(everything)),
        ]
        return "\n".join([*([table] if lines else []), *footer])

    def _unavailable(self, everything: bool) -> Iterator[str]:
        """Yield a line for each reason, with the hosts that it makes unavailable."""
        for reason in sorted(filter(None, set(self.unavailable_reasons.values()))):
            names = [name for name, other in self.unavailable_reasons.items() if other == reason]
            if everything:
                yield fill(f"{reason}: {', '.join(names)}", 80, subsequent_indent="  ", break_on_hyphens=False)
            else:
                yield f"{quantity(len(names), 'hosts')} unavailable here ({reason}); inv hosts --all lists them"


def host_availability(engine: str = "", locations: ImageLocations | None = None) -> HostAvailability:
    """Return which hosts are available; without a usable engine, none are."""
    hosts = load_hosts().hosts.values()
    try:
        selected = select_engine(engine)
    except EngineUnavailable as error:
        reasons = {host.name: "no usable container engine" for host in hosts}
        return HostAvailability("none", reasons, str(error))
    locations = locations or ImageLocations.from_environment()
    reasons = {host.name: unavailable_reason(host, selected, locations) for host in hosts}
    return HostAvailability(f"{selected.name} {selected.version}", reasons)
