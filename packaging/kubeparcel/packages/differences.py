"""How two builds of one package version differ: by accident, or in what they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubeparcel.packages.model import FileType, PackageContents, PackageEntry

_SHOWN = 3
_INCIDENTAL_FIELDS = ("compression", "maintainer", "vendor")
_FIELDS = ("epoch", "homepage", "license", "summary", "description", "section", "relations", "scripts")
_DOCUMENTATION = ("/usr/share/doc/", "/usr/share/licenses/")
"""Folders of changelogs, copyrights and provenance: they repeat dates, the maintainer and digests of binaries."""


@dataclass(frozen=True)
class Differences:
    """What differs between two packages of one name and version.

    `incidental` differences come from how a package was built: file times, compression, maintainer, and
    documentation with them. `recompiled` are binaries compiled differently. All others are `intended`.
    """

    incidental: tuple[str, ...]
    intended: tuple[str, ...]
    recompiled: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join((*self.intended, *self.recompiled, *self.incidental)) or "compression"


def compare_packages(old: PackageContents, new: PackageContents) -> Differences:
    """Return the differences of two packages; signatures do not count."""
    incidental = [name for name in _INCIDENTAL_FIELDS if getattr(old, name) != getattr(new, name)]
    intended = [name for name in _FIELDS if getattr(old, name) != getattr(new, name)]
    before, after = ({entry.path: entry for entry in package.entries} for package in (old, new))
    intended += _shorten("removed", sorted(before.keys() - after.keys()))
    intended += _shorten("added", sorted(after.keys() - before.keys()))
    common = [(before[path], after[path]) for path in sorted(before.keys() & after.keys())]
    intended += _shorten("attributes of", [a.path for a, b in common if _attributes(a) != _attributes(b)])
    changed = [(a, b) for a, b in common if a.sha256 != b.sha256]
    recompiled = [a.path for a, b in changed if a.elf and b.elf]
    others = [a.path for a, b in changed if not (a.elf and b.elf)]
    intended += _shorten("contents of", [path for path in others if not path.startswith(_DOCUMENTATION)])
    incidental += ["documentation"] if any(map(_is_written_documentation, others)) else []
    if any(a.mtime != b.mtime for a, b in common):
        incidental.append("file times")
    if old.build_time != new.build_time and "file times" not in incidental:
        incidental.append("build time")
    return Differences(tuple(incidental), tuple(intended), tuple(_shorten("compilation of", recompiled)))


def _is_written_documentation(path: str) -> bool:
    """Return whether a file is documentation that no other difference explains, such as a README."""
    generated = ("/provenance.json", "/copyright", "/changelog.Debian.gz")
    return path.startswith(_DOCUMENTATION) and not path.endswith(generated)


def _attributes(entry: PackageEntry) -> tuple[object, ...]:
    size = entry.size if entry.kind is FileType.SYMLINK else 0
    return (entry.kind, entry.mode, entry.owner, entry.group, entry.target, entry.flags, entry.capabilities, size)


def _shorten(label: str, paths: list[str]) -> Iterator[str]:
    if paths:
        more = f" and {len(paths) - _SHOWN} more files" if len(paths) > _SHOWN else ""
        yield f"{label} {', '.join(paths[:_SHOWN])}{more}"
