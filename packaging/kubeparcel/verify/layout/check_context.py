"""What checks get, a package with its expectation, and how they are defined: `@check`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from kubeparcel.console import first_names
from kubeparcel.model import Arch, Format
from kubeparcel.packages.model import ElfInfo, FileType, PackageContents, PackageEntry
from kubeparcel.packages.provenance import read_record
from kubeparcel.reports.results import Finding
from kubeparcel.trust.sbom_files import SbomFile
from kubeparcel.verify.kubelet_contract import DROP_IN, DROP_IN_DIR, UNIT
from kubeparcel.verify.layout import shell_parser
from kubeparcel.verify.layout.expected import NOT_IN_CATALOG, ExpectedPackage, LayoutPaths
from kubeparcel.verify.layout.path_owners import PathOwners
from kubeparcel.verify.layout.shell_parser import Command
from kubeparcel.verify.systemd_unit import Setting, UnitFile, parse_unit

MAX_PATHS = 4
"""A finding lists at most this many paths."""

SHELLS = ("/bin/sh", "/usr/bin/sh")


@dataclass(frozen=True)
class CheckContext:
    """A package's contents and what is expected of it.

    `name` is the file name that reports show. Only the general checks apply to a package of which NOT_IN_CATALOG is
    expected. `path_owners` are of all packages of the set. `sboms` are the SBOM files next to the package.
    """

    name: str
    contents: PackageContents
    expected: ExpectedPackage
    layout_paths: LayoutPaths
    path_owners: PathOwners
    sboms: Sequence[SbomFile] = ()

    @property
    def is_deb(self) -> bool:
        return self.contents.format is Format.DEB

    @functools.cached_property
    def files(self) -> tuple[PackageEntry, ...]:
        return tuple(entry for entry in self.contents.entries if entry.kind is FileType.FILE)

    @functools.cached_property
    def elf_files(self) -> tuple[tuple[PackageEntry, ElfInfo], ...]:
        """Return the binaries with what their ELF headers and Go's build information contain."""
        return tuple((entry, entry.elf) for entry in self.files if entry.elf)

    @property
    def binaries(self) -> tuple[PackageEntry, ...]:
        return tuple(entry for entry, _ in self.elf_files)

    @property
    def arch(self) -> Arch | None:
        """Return the package's architecture; None if it is independent of it, or unknown."""
        names = {self.contents.format.arch_name(arch): arch for arch in Arch}
        return names.get(self.contents.arch)

    @functools.cached_property
    def script_commands(self) -> tuple[Command, ...]:
        """Return every command of the scriptlets."""
        return tuple(
            replace(command, script=name)
            for name, script in self.contents.scripts.items()
            if script.interpreter.split(" ")[0] in (*SHELLS, "/bin/bash", "/usr/bin/bash")
            for command in shell_parser.parse_commands(script.body)
        )

    @functools.cached_property
    def entries_by_path(self) -> Mapping[str, PackageEntry]:
        return {entry.path: entry for entry in self.contents.entries}

    @functools.cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Return the package's provenance.json, as `read_record` does."""
        return read_record(self.contents)

    @property
    def built_by_kubeparcel(self) -> bool:
        """Whether kubeparcel built the package; others need not have our additional files."""
        return bool(self.provenance) or is_exact(self)

    @property
    def drop_in(self) -> PackageEntry | None:
        """Return kubeadm's drop-in for the kubelet's unit, unless it is the user's own."""
        return self._file_ending(f"/{DROP_IN_DIR}/{DROP_IN}")

    @property
    def unit(self) -> PackageEntry | None:
        """Return the kubelet's unit, unless it is the user's own."""
        return self._file_ending(f"/{UNIT}")

    @property
    def env_file(self) -> PackageEntry | None:
        """Return the kubelet's environment file, unless it is the user's own."""
        env_files = self.layout_paths.env_files
        return next((e for e in self.files if e.path in env_files and not self.is_custom(e.path)), None)

    def _file_ending(self, suffix: str) -> PackageEntry | None:
        return next((e for e in self.files if e.path.endswith(suffix) and not self.is_custom(e.path)), None)

    def is_custom(self, path: str) -> bool:
        """Return whether a file is the user's own, which the checks of ours do not judge."""
        file = self.expected.files.get(path)
        return file is not None and file.custom


CheckFunction: TypeAlias = Callable[[CheckContext], Iterable[Finding]]
Condition: TypeAlias = Callable[[CheckContext], bool]


@dataclass(frozen=True)
class CheckDefinition:
    """A check: its name, the requirement in one line, the function, and when it applies.

    `hint` is what to change in kubeparcel.yaml when a package built by kubeparcel fails; NAME
    stands for the package's name.
    """

    name: str
    meaning: str
    function: CheckFunction
    applies: Condition
    hint: str = ""

    @property
    def details(self) -> str:
        """Return the docstring of the function, which describes what is reported and why."""
        return inspect.cleandoc(self.function.__doc__ or "")


def check(
    meaning: str, *, applies: Condition = lambda _: True, hint: str = ""
) -> Callable[[CheckFunction], CheckDefinition]:
    """Turn a function into a check of its name. Its docstring becomes the description in the documentation."""

    def define(function: CheckFunction) -> CheckDefinition:
        name = getattr(function, "__name__", "").replace("_", "-")
        return CheckDefinition(name, meaning, function, applies, hint)

    return define


def has_scripts(context: CheckContext) -> bool:
    """Return whether the package has scriptlets."""
    return bool(context.contents.scripts)


def has_binaries(context: CheckContext) -> bool:
    """Return whether the package has ELF files."""
    return bool(context.binaries)


def in_catalog(context: CheckContext) -> bool:
    """Return whether the catalog has the package."""
    return context.expected is not NOT_IN_CATALOG


def is_exact(context: CheckContext) -> bool:
    """Return whether every byte is known, because the package was just built."""
    return context.expected.exact


def parse_entry(entry: PackageEntry | None) -> tuple[str, UnitFile]:
    """Return the path and the settings of a unit or drop-in, in checks that apply where there is one."""
    assert entry  # noqa: S101 - the check applies
    return entry.path, parse_unit(entry.text)


def locate(path: str, setting: Setting | None) -> str:
    """Return the location of a setting, or of its file if there is no such setting."""
    return f"{path} line {setting.line}" if setting else path


def invalid_lines(path: str, unit: UnitFile) -> Iterator[Finding]:
    """Yield a finding for each line that systemd ignores."""
    for line, text in unit.invalid_lines:
        yield Finding("KEY=VALUE in a section", text, f"{path} line {line}")


def group_findings(differences: Iterable[tuple[str, str, str]]) -> Iterator[Finding]:
    """Yield a finding for each pair of expected and found, from (expected, found, path) tuples."""
    groups: dict[tuple[str, str], list[str]] = {}
    for expected, found, path in differences:
        groups.setdefault((expected, found), []).append(path)
    for (expected, found), paths in groups.items():
        yield Finding(expected, found, first_names(paths, MAX_PATHS))
