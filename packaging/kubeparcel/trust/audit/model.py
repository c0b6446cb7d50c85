"""Findings of an audit: known vulnerabilities, where they are, and which of them statements rule out. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from kubeparcel.times import utc_date


class Level(StrEnum):
    """How close a binary comes to the vulnerable code, the closest first.

    `called`: vulnerable functions are in it; `imported`: their package is in it, without them; `required`: their module
    is, without the package.
    """

    CALLED = "called"
    IMPORTED = "imported"
    REQUIRED = "required"


class FailOn(StrEnum):
    """The findings with which an audit fails."""

    NONE = "none"
    CALLED = "called"
    IMPORTED = "imported"
    ANY = "any"


_LEVELS: Mapping[FailOn, frozenset[Level]] = {
    FailOn.NONE: frozenset(),
    FailOn.CALLED: frozenset((Level.CALLED,)),
    FailOn.IMPORTED: frozenset((Level.CALLED, Level.IMPORTED)),
    FailOn.ANY: frozenset(Level),
}


class Vulnerability(NamedTuple):
    """An entry of Go's vulnerability database; `aliases` are its CVE and GHSA numbers."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    url: str


class Use(NamedTuple):
    """A binary in a package, by name, version, format, architecture and path, and the module that it was built from."""

    package: str
    version: str
    format: str
    arch: str
    path: str
    main_module: str = ""
    main_version: str = ""

    @property
    def label(self) -> str:
        """Return the package as messages name it: `kubelet 1.36.3-1 amd64 (deb)`."""
        return f"{self.package} {self.version} {self.arch} ({self.format})"


class Exemption(NamedTuple):
    """Why a finding does not count: the status and reason of an OpenVEX statement, and its file."""

    status: str
    reason: str
    source: str


@dataclass(frozen=True)
class Finding:
    """A vulnerability of a module, and the binaries that have it.

    `fixed` is the first version without it, empty if there is none. `exempted` are binaries for which a statement
    rules it out.
    """

    vulnerability: Vulnerability
    module: str
    version: str
    fixed: str
    level: Level
    uses: tuple[Use, ...]
    exempted: Mapping[Use, Exemption] = field(default_factory=dict)

    @property
    def counted(self) -> tuple[Use, ...]:
        """Return the binaries that no statement exempts."""
        return tuple(use for use in self.uses if use not in self.exempted)


@dataclass(frozen=True)
class Database:
    """A vulnerability database: the address for govulncheck, and its last change in Unix time."""

    address: str
    modified: float

    @property
    def date(self) -> str:
        """The date of its last change."""
        return utc_date(self.modified)


@dataclass(frozen=True)
class Audit:
    """The result for a set of packages.

    `binaries` is the number of different Go binaries, `not_audited` names the others with the reason. `remarks` are
    limits of the result.
    """

    database: Database
    scanner: str
    binaries: int
    findings: tuple[Finding, ...]
    not_audited: Sequence[tuple[Use, str]] = ()
    remarks: Sequence[str] = ()

    def failing(self, fail_on: FailOn) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.counted and f.level in _LEVELS[fail_on])

    def exit_code(self, fail_on: FailOn) -> int:
        """Return 1 if there are such findings, else 0."""
        return int(bool(self.failing(fail_on)))
