"""Write advisories: what the packages of a folder fix since their earlier versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.doctor.package_sets import PackageQuery, PackageSet, open_packages
from kubeparcel.errors import UsageError
from kubeparcel.files import atomic_write, translate_os_errors
from kubeparcel.repository.package import Package
from kubeparcel.trust.audit.advisory import FOLDER, SUFFIX, PackageKey, fixed_vulnerabilities, write_advisory
from kubeparcel.trust.audit.examination import AuditRequest, audit_packages
from kubeparcel.trust.audit.model import Audit, FailOn
from kubeparcel.trust.subject import Subject


def audit_set(packages: PackageSet, selected: Sequence[Package], request: AuditRequest, log: Log) -> Audit:
    """Return the audit of packages of a set; raises as `audit_packages`."""
    contents = packages.contents(selected)
    by_contents = {id(c): package for c, package in zip(contents, selected, strict=True)}
    return audit_packages(contents, lambda c: packages.files([by_contents[id(c)]])[0], request, log)


def write_advisories(
    packages: PackageSet,
    audit: Audit,
    since: str,
    query: PackageQuery,
    request: AuditRequest,
    fail_on: FailOn,
    log: Log,
) -> list[Path]:
    """Write an advisory about each package of a folder that fixes something, and return their files.

    `since` is the location of earlier versions; those before a package's own are compared with it. Raises
    UsageError if the packages are those of a repository, or there are no earlier ones.
    """
    if any(file != Path(p.path) for file, p in zip(packages.files(packages.packages), packages.packages, strict=True)):
        raise UsageError(
            "--since writes advisories next to packages, not into a repository.",
            "Audit the folder of the new packages, and publish it afterwards.",
        )
    with open_packages(since, replace(query, all_versions=True), log) as older:
        earlier = [*_earlier(packages.packages, older.packages)]
        if not earlier:
            raise UsageError(
                f"{older.location} has no earlier versions of these packages.", "Check --since, --suite and --arch."
            )
        fixed = fixed_vulnerabilities(audit_set(older, earlier, request, log), audit, fail_on)
    fixing = [package for package in packages.packages if _key(package) in fixed]
    files = []
    for package, contents in zip(fixing, packages.contents(fixing), strict=True):
        path = Path(package.path)
        purl = Subject(contents, package.sha256, path.name).purl
        files.append(_write(path, write_advisory(purl, contents.build_time, fixed[_key(package)])))
    return files


def _earlier(packages: Sequence[Package], older: Sequence[Package]) -> Iterator[Package]:
    """Yield the newest of the earlier versions of each package."""
    for package in packages:
        key, version = _key(package), package.version_key
        candidates = [p for p in older if _key(p) == key and p.version_key < version]
        yield from sorted(candidates, key=lambda p: p.version_key)[-1:]


def _key(package: Package) -> PackageKey:
    return PackageKey(package.format, package.name, package.arch)


def _write(package: Path, data: bytes) -> Path:
    target = package.parent / FOLDER / f"{package.name}{SUFFIX}"
    with translate_os_errors(target.parent):
        target.parent.mkdir(exist_ok=True)
    with atomic_write(target) as file:
        file.write_bytes(data)
    return target
