"""The packages that levels on hosts work with: those under test, and the earlier ones that hosts start with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.files import sha256_of
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.model import Arch, Format
from kubeparcel.packages.find import find_package_files
from kubeparcel.packages.model import PackageContents
from kubeparcel.store import Store


class PackageSets:
    """Package files as sets, one per format; a format is read when it is first needed."""

    def __init__(self, paths: Sequence[Path], folder: Path) -> None:
        """Find the package files; raises UsageError if paths are given and none has any."""
        self.files = find_package_files(paths) if paths else []
        self._folder = folder
        self._sets: dict[Format, PackageSet | None] = {}

    @property
    def formats(self) -> frozenset[Format]:
        """The formats of the files, by their names."""
        return frozenset(Format(file.suffix.lstrip(".")) for file in self.files)

    def not_in(self, store: Store) -> list[Path]:
        """Return the files that a store does not have: this machine has not built them."""
        return [file for file in self.files if not store.path(sha256_of(file)).is_file()]

    def get(self, format_: Format) -> PackageSet | None:
        """Return the packages of a format for this machine, or None if there are none."""
        if format_ not in self._sets:
            self._sets[format_] = load_package_sets(self.files, self._folder, [format_]).get(format_)
        return self._sets[format_]

    @property
    def contents(self) -> tuple[PackageContents, ...]:
        """The packages of all formats for this machine."""
        sets = [self.get(format_) for format_ in sorted(self.formats)]
        return tuple(contents for packages in sets if packages for contents in packages.contents)

    def require(self, host: Host) -> PackageSet:
        """Return a host's packages; raises UsageError if there are none in its format."""
        packages = self.get(host.format)
        if packages is None:
            raise UsageError(
                f"--on {host.name}: no {host.format} packages for this machine ({Arch.native()}).",
                f"Build them with --format {host.format}, or choose another host: inv hosts",
            )
        return packages


@dataclass(frozen=True)
class LevelPackages:
    """What every level of one command works with.

    `packages` are under test. `previous` are earlier packages to upgrade from, and `other_layout` earlier ones in the
    other layout; both may be empty. `previous_origin` is where `previous` come from, if not from the user.
    """

    packages: PackageSets
    previous: PackageSets
    other_layout: PackageSets
    previous_origin: str = ""

    @classmethod
    def of(
        cls, folder: Path, packages: Sequence[Path], previous: Sequence[Path], other_layout: Sequence[Path]
    ) -> LevelPackages:
        """Return the packages of files, or folders that have some; they are linked into new folders of `folder`."""
        return cls(
            PackageSets(packages, folder / "current"),
            PackageSets(previous, folder / "previous"),
            PackageSets(other_layout, folder / "other-layout"),
        )

    @property
    def previous_label(self) -> str:
        """The version of most packages that upgrades start from, and their origin."""
        versions = [f"{package.version}-{package.revision}" for package in self.previous.contents]
        return f"{max(versions, key=versions.count)}{self._origin}"

    def describe_previous(self) -> str:
        """Return which packages upgrades start from, such as `kubelet 1.36.3-1~0, ...`; empty if none."""
        names = sorted({f"{package.name} {package.version}-{package.revision}" for package in self.previous.contents})
        return f"{', '.join(names)}{self._origin}" if names else ""

    @property
    def _origin(self) -> str:
        return f" ({self.previous_origin})" if self.previous_origin else ""
