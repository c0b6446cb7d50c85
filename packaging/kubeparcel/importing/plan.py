"""Compare the selected packages of a source with what our repository has: which are new, which must not be imported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kubeparcel.doctor import locations
from kubeparcel.doctor.package_contents import read_head
from kubeparcel.importing.fetch import listed_sha256
from kubeparcel.importing.source import Source
from kubeparcel.model import Format
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository import policy, suites
from kubeparcel.repository.candidates.read import parse_package
from kubeparcel.repository.model import State, Suites, compare_suites
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import PackageCache
from kubeparcel.store import Store

_HINT = (
    "Published packages never change. Leave it out (--only), or import into another repository; to take the other "
    "file, remove ours first (inv remove)."
)


@dataclass(frozen=True)
class Plan:
    """The packages of a source that our repository lacks, and our own packages that are the same as others of it.

    `suites` are ours afterwards.
    """

    new: tuple[Package, ...]
    present: frozenset[Package]
    suites: Suites


def compare(
    packages: Iterable[Package], source: Source, state: State, cache: PackageCache, store: Store, suite: str
) -> Plan:
    """Return what is to be done to add packages to `suite`, or to their home suites.

    Raises PolicyViolation for two files of one package, in the source or in the source and our repository, and if
    dependencies would be unmet.
    """
    selected = sorted(packages)
    _reject_two_files(selected, source)
    stored = {package.identity: package for package in state.stored_packages}
    known = {package.sha256: package for package in state.stored_packages}
    digests = {
        p.sha256: p.content_digest for p in cache.packages(listed_sha256(package, store) for package in selected)
    }
    new, present, changes = [], set(), []
    for package in selected:
        sha256 = listed_sha256(package, store)
        ours = known.get(sha256) or stored.get(package.identity)
        is_rpm = package.format is Format.RPM
        if ours is None or not (sha256 or is_rpm):
            new.append(package)
        elif ours.sha256 == sha256 or (
            is_rpm and ours.content_digest == (digests.get(sha256) or _content_digest(package, source))
        ):
            present.add(ours)
        else:
            changes.append(policy.ContentChange(package, ours))
    if changes:
        raise policy.PolicyViolation("\n".join(map(str, changes)), _HINT)
    after = suites.add(state.suites, present.union(new), suite)
    policy.require_resolvable(after, compare_suites(state, replace(state, suites=after)))
    return Plan(tuple(new), frozenset(present), after)


def _reject_two_files(packages: Iterable[Package], source: Source) -> None:
    by_identity: dict[tuple[str, ...], Package] = {}
    for package in packages:
        other = by_identity.setdefault(package.identity, package)
        if other is not package:
            names = [source.origins[listed].name for listed in (other, package)]
            lines = [
                f"{listed.path} (sha256 {listed.sha256[:12]}…, in {name})"
                for listed, name in zip((other, package), names, strict=True)
            ]
            choice = (
                "Its publisher has to remove one" if names[0] == names[1] else "Choose the suite to read with --suite"
            )
            raise policy.PolicyViolation(
                f"The repository has two different files of {package.label}.",
                "\n".join([*lines, f"{choice}. To import other packages only, name them with --only."]),
            )


def _content_digest(package: Package, source: Source) -> str:
    """Return the digest of an rpm that does not change when it is signed, from its first bytes.

    They are not verified: they only decide whether the file is fetched.
    """
    path = source.checks[package].path
    head = locations.stream(source.reader, path, lambda blocks: read_head(package.format, blocks)) or b""
    try:
        return parse_package(package.format, head, package.size, package.sha256).package.content_digest
    except MalformedData:
        return ""
