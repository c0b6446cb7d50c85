"""The advisories about published RPMs, of which updateinfo.xml consists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.model import State
from kubeparcel.repository.package import ADVISORY_SUFFIX, Package, SideFileKey
from kubeparcel.repository.storage.base import StorageReader
from kubeparcel.trust.audit.advisory import Advisory, PackageKey, parse_advisory


def parse_about(package: Package, data: bytes, path: str) -> Advisory:
    """Return the advisory about a package. Raises MalformedData if it is about another one."""
    advisory = parse_advisory(data, path)
    if not advisory.is_about(PackageKey(package.format, package.name, package.arch), package.version):
        raise MalformedData(f"{path} is not about {package.label}")
    return advisory


def load_advisories(
    packages: Iterable[Package],
    state: State,
    sources: Mapping[SideFileKey, FileStamp],
    published: State,
    storage: StorageReader,
) -> dict[Package, Advisory]:
    """Return the advisories about packages of a state; `sources` are the new files.

    Raises BrokenPackage if a published one is missing or damaged.
    """
    described = {p: files[ADVISORY_SUFFIX] for p in packages if ADVISORY_SUFFIX in (files := state.files_about(p))}
    if not described:
        return {}
    paths = {package.sha256: path for path, package in published.stored_by_path.items()}
    advisories = {}
    for package, sha256 in described.items():
        source = sources.get((package.sha256, ADVISORY_SUFFIX))
        path = source.path if source else f"{paths.get(package.sha256, '')}{ADVISORY_SUFFIX}"
        data = Path(path).read_bytes() if source else storage.read(path) or b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _broken(package, f"{storage.location}/{path} is missing, or was changed after it was published")
        try:
            advisories[package] = parse_about(package, data, path)
        except MalformedData as error:
            raise _broken(package, f"{storage.location}: {error}") from None
    return advisories


def _broken(package: Package, problem: str) -> BrokenPackage:
    return BrokenPackage(
        f"{problem}.", f"Restore the file, or remove {package.label} (inv remove) and publish it again."
    )
