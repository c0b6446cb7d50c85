"""The packages that are installed together on one host: their files, names, versions, digests."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kubeparcel.config.package_spec import CNI_BIN_DIR
from kubeparcel.files import sha256_of
from kubeparcel.model import Arch, Format
from kubeparcel.packages.model import FileType, PackageContents, PackageEntry
from kubeparcel.packages.reader import read_packages
from kubeparcel.packages.versions import version_key

REFERENCE_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
"""CNI plugins by which the folder of all of them is found."""


@dataclass(frozen=True)
class PackageSet:
    """Packages of one format for this machine, one of each name, in their own folder."""

    format: Format
    folder: Path
    contents: tuple[PackageContents, ...]

    def only(self, names: Collection[str]) -> PackageSet:
        """Return the packages with some of the names."""
        return replace(self, contents=tuple(contents for contents in self.contents if contents.name in names))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(contents.name for contents in self.contents)

    @property
    def entries(self) -> Iterator[PackageEntry]:
        """The paths of all packages."""
        return (entry for contents in self.contents for entry in contents.entries)

    @property
    def files(self) -> tuple[str, ...]:
        """The file names, in the order of `names`."""
        return tuple(contents.file.name for contents in self.contents)

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """The SHA-256 digests of the files, in the order of `names`."""
        return tuple(sha256_of(self.folder / name) for name in self.files)

    @property
    def versions(self) -> Mapping[str, str]:
        """Version and revision by name, as the package manager writes them."""
        return {contents.name: contents.release for contents in self.contents}

    @property
    def label(self) -> str:
        """The version that most of the packages have, such as `1.36.3-1`."""
        versions = [*self.versions.values()]
        return max(versions, key=versions.count)

    @functools.cached_property
    def cni_bin_dir(self) -> str:
        """The folder of the CNI plugins; the default without any."""
        paths = (
            entry.path.rpartition("/") for entry in self.entries if entry.kind is FileType.FILE and entry.mode & 0o111
        )
        return next((folder for folder, _, name in paths if name in REFERENCE_PLUGINS), CNI_BIN_DIR)


def load_package_sets(
    files: Sequence[Path], folder: Path, formats: Collection[Format] = tuple(Format)
) -> Mapping[Format, PackageSet]:
    """Read package files and return a set for each format; link the files into `folder`/FORMAT.

    Files with the suffix of another format are not read. Packages for other architectures are
    ignored; of several with one name the newest is taken. Raises BrokenPackage for a damaged file.
    """
    native = Arch.native()
    arches = {f.arch_name(arch) for f in Format for arch in (native, None)}
    ignored_suffixes = {f".{f}" for f in Format if f not in formats}
    newest: dict[Format, dict[str, PackageContents]] = {}
    for contents in read_packages([file for file in files if file.suffix not in ignored_suffixes]):
        if contents.arch in arches:
            by_name = newest.setdefault(contents.format, {})
            other = by_name.get(contents.name)
            if other is None or version_key(contents.format, contents.release) > version_key(
                other.format, other.release
            ):
                by_name[contents.name] = contents
    return {f: _link_files(f, by_name, folder) for f, by_name in newest.items()}


def _link_files(format_: Format, by_name: Mapping[str, PackageContents], folder: Path) -> PackageSet:
    set_folder = folder / format_
    set_folder.mkdir(parents=True, exist_ok=True)
    for contents in by_name.values():
        target = set_folder / contents.file.name
        try:
            os.link(contents.file.resolve(), target)
        except OSError:  # another file system
            shutil.copyfile(contents.file, target)
    return PackageSet(format_, set_folder, tuple(by_name[name] for name in sorted(by_name)))
