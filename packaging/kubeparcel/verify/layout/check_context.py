"""One package under check, and the form of a check: a row with the question and when it applies."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from kubeparcel.model import Arch, Format
from kubeparcel.packages.reader import Contents, Elf, Entry, Kind
from kubeparcel.reports.results import Finding
from kubeparcel.verify.kubelet_contract import DROP_IN, DROP_IN_DIR, UNIT
from kubeparcel.verify.layout import shell_parser
from kubeparcel.verify.layout.expectation import ExpectedPackage
from kubeparcel.verify.layout.expected import PROVENANCE_FILE, LayoutPaths
from kubeparcel.verify.layout.shell_parser import Command

PATHS_SHOWN = 4
SHELLS = ("/bin/sh", "/usr/bin/sh")


@dataclass(frozen=True)
class CheckContext:
    """A package's contents beside what is expected of it.

    `name` is the file name people know it by. `expected` is None for a package that is not in the
    catalog: then only the general checks apply. `owners` are the other packages of the same set
    by the paths they hold.
    """

    name: str
    contents: Contents
    expected: ExpectedPackage | None
    layout_paths: LayoutPaths
    path_owners: Mapping[str, frozenset[str]]

    @property
    def is_deb(self) -> bool:
        """Whether it is a deb, else an rpm."""
        return self.contents.format is Format.DEB

    @functools.cached_property
    def files(self) -> tuple[Entry, ...]:
        """The regular files."""
        return tuple(entry for entry in self.contents.entries if entry.kind is Kind.FILE)

    @functools.cached_property
    def binaries(self) -> tuple[Entry, ...]:
        """The ELF files."""
        return tuple(entry for entry in self.files if entry.elf)

    @functools.cached_property
    def elf_files(self) -> tuple[tuple[Entry, Elf], ...]:
        """What each binary says of itself."""
        return tuple((entry, entry.elf) for entry in self.binaries if entry.elf)

    @property
    def arch(self) -> Arch | None:
        """The architecture the package says it is for."""
        names = {self.contents.format.arch_name(arch): arch for arch in Arch}
        return names.get(self.contents.arch)

    @functools.cached_property
    def script_commands(self) -> tuple[tuple[str, Command], ...]:
        """Every command in the scriptlets, with the scriptlet's name."""
        return tuple(
            (name, command)
            for name, script in self.contents.scripts.items()
            if script.interpreter.split(" ")[0] in (*SHELLS, "/bin/bash", "/usr/bin/bash")
            for command in shell_parser.parse_commands(script.body)
        )

    @functools.cached_property
    def entries_by_path(self) -> Mapping[str, Entry]:
        """The entries by path."""
        return {entry.path: entry for entry in self.contents.entries}

    @functools.cached_property
    def provenance(self) -> Mapping[str, Any]:
        """The record of where the binaries came from, which our packages hold; else empty."""
        for entry in self.files:
            if entry.path.endswith(f"/{PROVENANCE_FILE}"):
                try:
                    found = json.loads(entry.data or b"")
                except ValueError:
                    return {"unreadable": entry.path}
                return found if isinstance(found, dict) else {"unreadable": entry.path}
        return {}

    @property
    def built_by_kubeparcel(self) -> bool:
        """Whether kubeparcel made it: packages of others need not have our extras."""
        return bool(self.provenance) or bool(self.expected and self.expected.exact)

    @property
    def drop_in(self) -> Entry | None:
        """The drop-in that connects the kubelet with kubeadm."""
        return next((e for e in self.files if e.path.endswith(f"/{DROP_IN_DIR}/{DROP_IN}")), None)

    @property
    def unit(self) -> Entry | None:
        """The kubelet's unit."""
        return next((e for e in self.files if e.path.endswith(f"/{UNIT}")), None)

    @property
    def env_file(self) -> Entry | None:
        """The kubelet's environment file."""
        return next((e for e in self.files if e.path in self.layout_paths.env_files), None)


Question: TypeAlias = Callable[[CheckContext], Iterable[Finding]]
Condition: TypeAlias = Callable[[CheckContext], bool]


def always(_: CheckContext) -> bool:
    """For every package."""
    return True


def has_scripts(subject: CheckContext) -> bool:
    """For packages with scriptlets."""
    return bool(subject.contents.scripts)


def in_catalog(subject: CheckContext) -> bool:
    """For packages of the catalog."""
    return subject.expected is not None


def exact(subject: CheckContext) -> bool:
    """For packages whose every byte is known: those just made."""
    return subject.expected is not None and subject.expected.exact


@dataclass(frozen=True)
class CheckDefinition:
    """One check: its name, its number in the list of docs (0: none), what it means, and how.

    A check that does not apply to a package is not counted. `todo` is what to change in
    kubeparcel.yaml when it fails for a package NAME of ours.
    """

    name: str
    number: int
    meaning: str
    question: Question
    applies: Condition = always
    todo: str = ""


def group_findings(rows: Iterable[tuple[str, str, str]], look: str = "") -> Iterator[Finding]:
    """Findings from rows of expected, found, path: paths with the same fault become one."""
    paths: dict[tuple[str, str], list[str]] = {}
    for expected, found, path in rows:
        paths.setdefault((expected, found), []).append(path)
    for (expected, found), where in paths.items():
        more = len(where) - PATHS_SHOWN
        listed = ", ".join(where[:PATHS_SHOWN]) + (f" and {more} more" if more > 0 else "")
        yield Finding(expected, found, listed, look)
