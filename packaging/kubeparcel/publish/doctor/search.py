"""Finds the apt suites and yum repositories below a place."""

from __future__ import annotations

from dataclasses import dataclass

from ..storage import Reader

_USUAL = ("stable", "unstable", "testing", "main", "./")
_APT = ("", "apt", "deb", "debian", "ubuntu")
_YUM = ("", "yum", "rpm")


@dataclass(frozen=True)
class Suite:
    """An apt suite: `base` is what file names in its indexes are relative to."""

    base: str
    name: str

    @property
    def folder(self) -> str:
        """Where its Release is."""
        return f"{self.base}/dists/{self.name}".lstrip("/")

    @property
    def subject(self) -> str:
        """What a report calls it."""
        return f"apt {self.name}"


@dataclass(frozen=True)
class Found:
    """What there is: apt suites, and the folders of yum repositories."""

    suites: tuple[Suite, ...]
    yums: tuple[str, ...]


def find(reader: Reader) -> Found:
    """Look in the usual places, and in whatever can be listed."""
    suites = {s: None for base in _APT for s in _suites(reader, base)}
    yums = {y: None for base in _YUM for y in _yums(reader, base)}
    return Found(tuple(suites), tuple(yums))


def _suites(reader: Reader, base: str) -> list[Suite]:
    start = f"{base}/dists".lstrip("/")
    names: set[str] = set()
    for path in reader.sizes(start) or {}:
        name, _, last = path.removeprefix(f"{start}/").rpartition("/")
        if last in ("InRelease", "Release"):
            names.add(name)
    if not names:
        names = {n for n in _USUAL if n != "./" and _has(reader, f"{start}/{n}")}
    return [Suite(base, name) for name in sorted(names)]


def _has(reader: Reader, folder: str) -> bool:
    return any(reader.read(f"{folder}/{name}", 64) for name in ("InRelease", "Release"))


def _yums(reader: Reader, base: str) -> list[str]:
    start = f"{base}/" if base else ""
    if reader.read(f"{start}repodata/repomd.xml", 64):
        return [base]
    paths = reader.sizes(base) if base else None
    ends = "/repodata/repomd.xml"
    found = [path.removesuffix(ends) for path in paths or {} if path.endswith(ends)]
    found = found or [f"{start}stable"]
    return [f for f in sorted(found) if reader.read(f"{f}{ends}", 64)]
