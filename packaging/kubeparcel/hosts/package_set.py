"""The packages that are installed together on one host: their files, names, versions, digests."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.files import sha256_of
from kubeparcel.hosts.catalog import Host
from kubeparcel.model import Arch, Format, Version
from kubeparcel.packages.reader import Contents, read_all


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


def load_package_sets(
    files: Sequence[Path], folder: Path, formats: Collection[Format] = tuple(Format)
) -> Mapping[Format, PackageSet]:
    """The sets in some package files, by format; the files are laid side by side below `folder`.

    Files of other formats are not read, as far as their names tell. Of several packages of one name
    the newest by version is taken; other architectures are left out. Raises BrokenPackage for what
    is none.
    """
    wanted = {
        Format.DEB.arch_name(Arch.native()),
        Format.RPM.arch_name(Arch.native()),
        "all",
        "noarch",
    }
    found: dict[Format, dict[str, Contents]] = {}
    others = {f".{format_}" for format_ in Format if format_ not in formats}
    for one in read_all([file for file in files if file.suffix not in others]):
        if one.arch in wanted:
            known = found.setdefault(one.format, {})
            if one.name not in known or _version_key(one) > _version_key(known[one.name]):
                known[one.name] = one
    return {format_: _link_files(format_, rows, folder) for format_, rows in found.items()}


def package_sets_for(
    hosts: Sequence[Host], files: Sequence[Path], folder: Path
) -> Mapping[Format, PackageSet]:
    """The sets that some hosts take, by format; raises UsageError for a host without packages."""
    sets = load_package_sets(files, folder, {host.format for host in hosts})
    for host in hosts:
        if host.format not in sets:
            raise UsageError(
                f"--on {host.name}: there is no {host.format} for this machine ({Arch.native()}) "
                "among the packages.",
                "Build it, or choose another host: inv hosts",
            )
    return sets


def _version_key(one: Contents) -> tuple[object, ...]:
    return (Version.parse(one.version.replace("~", "-", 1)), one.revision)


def _link_files(format_: Format, rows: Mapping[str, Contents], folder: Path) -> PackageSet:
    place = folder / format_
    place.mkdir(parents=True, exist_ok=True)
    for one in rows.values():
        target = place / one.file.name
        try:
            os.link(one.file.resolve(), target)
        except OSError:
            shutil.copyfile(one.file, target)
    return PackageSet(format_, place, tuple(rows[name] for name in sorted(rows)))
