"""The hosts that packages are verified on: hosts.yaml as frozen values."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kubeparcel.errors import UsageError, did_you_mean
from kubeparcel.model import Format


class Purpose(StrEnum):
    """What an image of a host is used for; see hosts.yaml."""

    INSTALL = "install"
    NODE = "node"


LEVELS = ("install", "service", "cluster")


@dataclass(frozen=True)
class HostFamily:
    """What all hosts with the same package manager share; see hosts.yaml."""

    format: Format
    package_manager: str
    setup_template: str
    packages: tuple[str, ...]
    node_packages: tuple[str, ...]
    pool_packages: tuple[str, ...] = ()
    preflight_packages: tuple[str, ...] = ()
    rpm_placeholders: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Host:
    """A distribution. It has either a `suite` to bootstrap or an `image` to pull.

    `levels` are the verify levels that it supports.
    """

    name: str
    title: str
    family: HostFamily
    suite: str = ""
    image: str = ""
    excluded_packages: tuple[str, ...] = ()
    levels: tuple[str, ...] = LEVELS

    @property
    def format(self) -> Format:
        return self.family.format

    def packages(self, purpose: Purpose) -> tuple[str, ...]:
        """Return the distribution's packages that the host's image contains."""
        node_packages = self.family.node_packages if purpose is Purpose.NODE else ()
        names = dict.fromkeys((*self.family.packages, *node_packages))
        return tuple(name for name in names if name not in self.excluded_packages)


@dataclass(frozen=True)
class HostCatalog:
    """All hosts by name, and the default hosts of each format in order of preference."""

    hosts: Mapping[str, Host]
    defaults: Mapping[Format, tuple[str, ...]]

    def get(self, name: str) -> Host:
        """Return the host of that name; raise UsageError with the known names."""
        if name not in self.hosts:
            suggestion = did_you_mean(name, self.hosts, quote="'")
            raise UsageError(f"Unknown host {name!r}.{suggestion}", f"Hosts: {', '.join(self.hosts)}.")
        return self.hosts[name]

    def default_host(self, format_: Format, level: str, available: Iterable[str]) -> Host | None:
        """Return the first default host of a format that is available and supports the level."""
        available_names = frozenset(available)
        hosts = (self.hosts[n] for n in self.defaults[format_] if n in available_names)
        return next((host for host in hosts if level in host.levels), None)


@functools.cache
def load_hosts() -> HostCatalog:
    """Return the hosts of hosts.yaml."""
    from kubeparcel.config.yaml_file import load_data_file  # PyYAML takes long to import

    data = load_data_file("hosts/hosts.yaml")
    families = {name: _family(fields) for name, fields in data["families"].items()}
    hosts = {
        name: Host(name, **{**_keywords(fields), "family": families[fields["family"]]})
        for name, fields in data["hosts"].items()
    }
    return HostCatalog(hosts, {Format(name): tuple(names) for name, names in data["defaults"].items()})


def _family(fields: Mapping[str, Any]) -> HostFamily:
    return HostFamily(**{**_keywords(fields), "format": Format(fields["format"])})


def _keywords(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by the names of attributes, with tuples instead of lists."""
    return {
        name.replace("-", "_"): tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
