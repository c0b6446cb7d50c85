"""The packages that go onto one host together, and what is expected of them there."""

from __future__ import annotations

import functools
import os
import platform
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.config import catalog as catalogs
from kubeparcel.errors import UsageError
from kubeparcel.files import sha256_of
from kubeparcel.hosts.catalog import Host
from kubeparcel.model import Arch, Format, Version
from kubeparcel.packages.reader import Contents, Kind, read_all
from kubeparcel.verify.kubelet_contract import PLUGINS
from kubeparcel.verify.layout import expected as expectations
from kubeparcel.verify.layout.expected import Places

ENV_HOLDER = "kubelet"


@dataclass(frozen=True)
class PackageSet:
    """Packages of one format for this machine, one of each name, in a folder of their own."""

    format: Format
    folder: Path
    contents: tuple[Contents, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The packages by name."""
        return tuple(one.name for one in self.contents)

    @property
    def files(self) -> tuple[str, ...]:
        """Their file names, in the order of `names`."""
        return tuple(one.file.name for one in self.contents)

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """Their sha256, in the order of `names`."""
        return tuple(sha256_of(self.folder / name) for name in self.files)

    @property
    def versions(self) -> Mapping[str, str]:
        """Version and revision by name, as the package manager writes them."""
        return {one.name: f"{one.version}-{one.revision}" for one in self.contents}

    @functools.cached_property
    def binaries(self) -> Mapping[str, Contents]:
        """The programs in them by path, each with its package: also one that cannot be run."""
        return {
            entry.path: one
            for one in self.contents
            for entry in one.entries
            if entry.kind is Kind.FILE
            and (entry.mode & 0o111 or entry.path.startswith(("/usr/bin/", f"{PLUGINS}/")))
        }

    @functools.cached_property
    def settings(self) -> tuple[str, ...]:
        """What an administrator edits: the configuration files, and the environment file."""
        known = Places.of(catalogs.load(), self.format).env_files
        return tuple(
            entry.path
            for one in self.contents
            for entry in one.entries
            if entry.kind is Kind.FILE and (entry.config or entry.path in known)
        )

    @functools.cached_property
    def completions(self) -> tuple[str, ...]:
        """The programs that bash has completions for."""
        folder = "/usr/share/bash-completion/completions/"
        paths = (entry.path for one in self.contents for entry in one.entries)
        return tuple(p.removeprefix(folder) for p in paths if p.startswith(folder) and p != folder)

    def needs(self, name: str) -> tuple[str, ...]:
        """The other packages that the catalog says this one cannot be without."""
        one = next(one for one in self.contents if one.name == name)
        found = expectations.by_catalog(one, catalogs.load(), self._kubernetes)
        wanted = found.relations.get("depends", ()) if found else ()
        return tuple(sorted(other.partition(" (")[0] for other in wanted))

    @property
    def outside(self) -> tuple[str, ...]:
        """What all of them together need that is not among them."""
        wanted = {other for name in self.names for other in self.needs(name)}
        return tuple(sorted(wanted.difference(self.names)))

    @property
    def _kubernetes(self) -> Version | None:
        text = next((one.version for one in self.contents if one.name == ENV_HOLDER), "")
        return Version.parse(text.replace("~", "-", 1)) if text else None


def machine() -> Arch:
    """This machine's architecture."""
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return Arch(names.get(platform.machine(), platform.machine()))


def gather(
    files: Sequence[Path], folder: Path, formats: Collection[Format] = tuple(Format)
) -> Mapping[Format, PackageSet]:
    """The sets in some package files, by format; the files are laid side by side below `folder`.

    Files of other formats are not read, as far as their names tell. Of several packages of one name
    the newest by version is taken; other architectures are left out. Raises BrokenPackage for what
    is none.
    """
    wanted = {Format.DEB.arch_name(machine()), Format.RPM.arch_name(machine()), "all", "noarch"}
    found: dict[Format, dict[str, Contents]] = {}
    others = {f".{format_}" for format_ in Format if format_ not in formats}
    for one in read_all([file for file in files if file.suffix not in others]):
        if one.arch in wanted:
            known = found.setdefault(one.format, {})
            if one.name not in known or _order(one) > _order(known[one.name]):
                known[one.name] = one
    return {format_: _lay(format_, rows, folder) for format_, rows in found.items()}


def of_each(
    hosts: Sequence[Host], files: Sequence[Path], folder: Path
) -> Mapping[Format, PackageSet]:
    """The sets that some hosts take, by format; raises UsageError for a host without packages."""
    sets = gather(files, folder, {host.format for host in hosts})
    for host in hosts:
        if host.format not in sets:
            raise UsageError(
                f"--on {host.name}: there is no {host.format} for this machine ({machine()}) "
                "among the packages.",
                "Build it, or choose another host: inv hosts",
            )
    return sets


def _order(one: Contents) -> tuple[object, ...]:
    return (Version.parse(one.version.replace("~", "-", 1)), one.revision)


def _lay(format_: Format, rows: Mapping[str, Contents], folder: Path) -> PackageSet:
    place = folder / format_
    place.mkdir(parents=True, exist_ok=True)
    for one in rows.values():
        target = place / one.file.name
        try:
            os.link(one.file.resolve(), target)
        except OSError:
            shutil.copyfile(one.file, target)
    return PackageSet(format_, place, tuple(rows[name] for name in sorted(rows)))
