"""The packages given to a publish: matched with those published, checked, and rpms signed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.config.kubernetes_packages import kubernetes_packages
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.digest import HEAD, digest
from kubeparcel.packages.rpm import rpm_metadata
from kubeparcel.paths import cache_dir
from kubeparcel.repository import policy, suites
from kubeparcel.repository.candidates import changes
from kubeparcel.repository.candidates import read as incoming
from kubeparcel.repository.model import Package, State
from kubeparcel.repository.package_cache import (
    FileStamp,
    LastPublish,
    PackageCache,
    PackageMetadata,
)
from kubeparcel.repository.signing import rpm_signature
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.store import translate_os_errors


@dataclass(frozen=True)
class Candidates:
    """Packages, and the files of the new ones; `signed` are new rpms with unverified signatures."""

    packages: frozenset[Package]
    sources: Mapping[Package, str]
    signed: frozenset[Package]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for files on their way; gone afterwards."""
    with translate_os_errors(cache_dir()):
        cache_dir().mkdir(parents=True, exist_ok=True)
        area = Path(tempfile.mkdtemp(prefix="publish-", dir=cache_dir()))
    try:
        yield area
    finally:
        shutil.rmtree(area, ignore_errors=True)


def since(
    rows: str, last: LastPublish | None, state: State, memory: PackageCache
) -> tuple[Candidates, frozenset[str]]:
    """The packages of a folder, and the suites that those of Kubernetes itself belong to.

    Of a folder whose `last` publish nothing came after only what is new in it, unless that changes
    where the others belong.
    """
    new = changes.fresh(rows, last) if last else None
    if last and new is not None:
        found = packages(new, state, memory)
        if suites.home_suites(found.packages) <= last.home_suites:
            return found, last.home_suites
    found = packages(changes.files(rows), state, memory)
    return found, suites.home_suites(found.packages)


def packages(rows: Sequence[FileStamp], state: State, memory: PackageCache) -> Candidates:
    """The packages in files; those that are published already as they are published.

    Raises Refusal for two different files of one package, BrokenPackage for a file that is none.
    """
    there = {p.sha256: p for p in state.stored_packages}
    found = incoming.read_packages(rows, memory, there.keys())
    same = {there[digest] for digest in found.paths.keys() & there.keys()}
    if not found.facts:
        return Candidates(frozenset(same), {}, frozenset())
    every = {package_of(facts): digest for digest, facts in found.facts.items()}
    policy.reject_duplicates(every)
    new = _once(every, found.facts)
    names = {p.name for p in new}
    known = {(*p.identity, p.content_digest): p for p in there.values() if p.name in names}
    sources = {
        p: found.paths[at] for p, at in new.items() if (*p.identity, p.content_digest) not in known
    }
    signed = frozenset(p for p in sources if found.facts[new[p]].signed)
    same |= {known.get((*p.identity, p.content_digest), p) for p in new}
    return Candidates(frozenset(same), sources, signed)


def _once(
    packages: Mapping[Package, str], facts: Mapping[str, PackageMetadata]
) -> dict[Package, str]:
    """Of an rpm that is there signed and unsigned, the signed one."""
    found: dict[tuple[str, ...], Package] = {}
    for package, at in packages.items():
        same = (*package.identity, package.content_digest)
        if same not in found or facts[at].signed:
            found[same] = package
    return {package: packages[package] for package in found.values()}


def package_of(facts: PackageMetadata) -> Package:
    """The package that a file's facts describe."""
    identity = (facts.name, facts.version, facts.arch)
    if facts.format is Format.DEB:
        path = deb_metadata.pool_path(*identity)
    else:
        path = f"packages/{rpm_metadata.file_name(*identity)}"
    return Package(
        facts.format,
        *identity,
        facts.sha256,
        facts.size,
        facts.content_digest,
        facts.dependencies,
        path,
    )


def check_layout(found: Candidates, memory: PackageCache, log: Log) -> None:
    """Refuse new packages of the catalog's whose contents are not right; raises Refusal."""
    ours = {
        p.sha256: path for p, path in found.sources.items() if p.name in kubernetes_packages().names
    }
    todo = {d: p for d, p in ours.items() if d not in memory.layout_checked(ours)}
    if not todo:
        return
    from kubeparcel.reports.output import as_text
    from kubeparcel.verify.layout import level

    report = level.check_paths([Path(path) for path in sorted(todo.values())])
    if not report.passed:
        raise policy.PolicyViolation(
            f"The packages are not as they should be ({report.summary}): nothing was published.",
            as_text([report]),
        )
    log.info("Check", report.summary)
    memory.store_layout_checked(todo)


def signed(
    found: Candidates, who: Signer | None, area: Path, memory: PackageCache, log: Log
) -> Candidates:
    """Sign new rpms without a valid signature by one of our keys; the copies are in `area`."""
    if who is None:
        return found
    rpms = sorted(p for p in found.sources if p.format is Format.RPM)
    todo = [
        package
        for package in rpms
        if package not in found.signed or not _signed_by(package, found.sources[package], who)
    ]
    if not todo:
        return found
    who.home.start_agent()
    with (
        ThreadPoolExecutor(2) as pool,
        log.task("Sign", f"{len(todo)} rpms", len(todo), "rpms") as task,
    ):
        jobs = [pool.submit(_sign, p, found.sources[p], who, area) for p in todo]
        swapped = {}
        for package, job in zip(todo, jobs, strict=True):
            swapped[package] = job.result()
            task.advance()
    rows = tuple(swapped[p][0].facts for p in todo)
    memory.store_packages(rows, {one.facts.sha256: one.pieces for one, _ in swapped.values()})
    became = {old: package_of(read.facts) for old, (read, _) in swapped.items()}
    return Candidates(
        frozenset(became.get(p, p) for p in found.packages),
        {
            became.get(p, p): swapped[p][1] if p in swapped else at
            for p, at in found.sources.items()
        },
        found.signed,
    )


def _signed_by(package: Package, source: str, who: Signer) -> bool:
    """Return whether an rpm has a valid signature of its header by one of the keys that sign now.

    The file is read again: a signature that only names one of our keys proves nothing.
    """
    path = Path(source)
    with translate_os_errors(path), path.open("rb") as file:
        head = file.read(HEAD)
        head += file.read(max(rpm_metadata.need(head) - len(head), 0))
    headers = rpm_metadata.headers(head, package.size)
    certificates = who.export_public_keys(armored=False)
    signers = rpm_signature.verified_signers(head, headers, certificates)
    return not signers.isdisjoint(who.fingerprints)


def _sign(
    package: Package, source: str, who: Signer, area: Path
) -> tuple[incoming.ParsedPackage, str]:
    found = digest(source, rpm_metadata.need)
    if found.sha256 != package.sha256:
        raise ConfigurationError(f"{source} changed while it was published.", "Run it again.")
    headers = rpm_metadata.headers(found.head, found.size)
    packet = who.sign_binary(found.head[headers.main.start : headers.main.end])
    target = area / f"{package.sha256}.rpm"
    with translate_os_errors(target):
        made = rpm_signature.write_signed_copy(Path(source), found.head, headers, packet, target)
    return incoming.rpm(made.head, made.size, made.sha256, FileStamp(str(target), 0, 0, "")), str(
        target
    )
