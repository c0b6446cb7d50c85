"""The verbs, in order: resolve → fetch → assemble → check → deliver."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.build.assembler import BuiltPackage, assemble, finalize
from kubeparcel.build.planner import PackagePlan
from kubeparcel.console import Log
from kubeparcel.errors import Busy, KubeparcelError, UnknownVersion, Unreachable
from kubeparcel.model import Arch, Binaries, Lock, Request, Version
from kubeparcel.store import Store, atomic_write, sha256_of, translate_os_errors

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog
    from kubeparcel.reports.results import Report
    from kubeparcel.sources import Source

_LINE = re.compile(r"^([0-9a-f]{64})  ((?:deb|rpm)/[^/\n]+)$", re.MULTILINE)

OLDER_MINORS = 6
"""How many minors back a cri-tools is looked for when Kubernetes' own is not out."""


def create_source(name: str, catalog: Catalog, mirror: str = "", toolchain: str = "") -> Source:
    """The source of that name."""
    if name == "go":
        from kubeparcel.sources.go_modules import GoModules

        return GoModules(catalog.components, toolchain)
    from kubeparcel.sources.upstream import Upstream

    return Upstream(catalog.components, mirror)


def select_source(request: Request, catalog: Catalog, log: Log) -> Source:
    """The source to resolve with; `auto` is upstream when it answers, else Go modules."""
    if request.source != "auto" or request.mirror:
        return create_source(
            "go" if request.source == "go" else "upstream", catalog, request.mirror
        )
    upstream = create_source("upstream", catalog)
    try:
        upstream.probe()
    except Unreachable as error:
        why = error
    else:
        return upstream
    modules = create_source("go", catalog)
    try:
        modules.probe()
    except KubeparcelError as error:
        raise Unreachable(
            f"No source can be used.\n  upstream: {why.message}\n  go: {error.message}",
            "Give --mirror (a URL or a directory with a copy of upstream's files), or install Go.",
        ) from None
    log.info(
        "Source",
        f"{why.message.rstrip('.')}: building from Go modules instead.\n"
        "The same versions, checked against Go's checksum database. "
        "--source upstream insists on downloads.",
    )
    return modules


def resolve(request: Request, catalog: Catalog, log: Log) -> Lock:
    """Find the exact versions and digests; raises UnknownVersion for what nobody published."""
    chosen = select_source(request, catalog, log)
    kubernetes = chosen.kubernetes(request.kubernetes)
    warnings: list[str] = []
    versions = {
        "kubernetes": kubernetes,
        "cri-tools": _cri_tools(request, kubernetes, chosen, warnings),
        "cni": _cni(request, kubernetes, catalog),
    }
    with ThreadPoolExecutor() as pool:
        pins = [pool.submit(chosen.pin, n, v, request.arches) for n, v in versions.items()]
        components = tuple(pin.result() for pin in pins)
    asked = dataclasses.replace(request, mirror="")
    return Lock(asked, chosen.name, components, chosen.toolchain, tuple(warnings))


def _cri_tools(
    request: Request, kubernetes: Version, chosen: Source, warnings: list[str]
) -> Version:
    """The newest cri-tools of Kubernetes' minor, or of the newest minor before it that is out."""
    if request.cri_tools:
        return Version.parse(request.cri_tools)
    oldest = max(kubernetes.minor - OLDER_MINORS, 0)
    for minor in range(kubernetes.minor, oldest - 1, -1):
        found = _newest_patch("cri-tools", Version(kubernetes.major, minor, 0), chosen)
        if found is None:
            continue
        if minor != kubernetes.minor:
            warnings.append(
                f"cri-tools {kubernetes.series} is not out: taking {found}, the newest before it."
            )
        return found
    raise UnknownVersion(
        f"No cri-tools for Kubernetes {kubernetes} is published "
        f"({kubernetes.major}.{oldest} to {kubernetes.series} were tried).",
        "Name one: --cri-tools VERSION.",
    )


def _newest_patch(component: str, first: Version, chosen: Source) -> Version | None:
    """The last of the patches of a minor that are out without a gap."""
    found = None
    while chosen.published(component, first):
        found, first = first, first.next_patch()
    return found


def _cni(request: Request, kubernetes: Version, catalog: Catalog) -> Version:
    if request.cni:
        return Version.parse(request.cni)
    pairs = catalog.components["cni"].pairs
    return next(Version.parse(row.version) for row in pairs if row.kubernetes.contains(kubernetes))


def fetch(
    lock: Lock, arches: Sequence[Arch], catalog: Catalog, mirror: str, store: Store, log: Log
) -> Binaries:
    """Get the binaries of a lock for some architectures into the store."""
    wanted = [artifact for artifact in lock.artifacts if artifact.arch in arches]
    return create_source(lock.source, catalog, mirror, lock.toolchain).fetch(wanted, store, log)


def assemble_packages(
    planned: Sequence[PackagePlan],
    lock: Lock,
    binaries: Binaries,
    store: Store,
    log: Log,
    executor: Executor | None = None,
) -> tuple[BuiltPackage, ...]:
    """Make the packages that are not in the store yet."""
    packages = [finalize(package, lock, binaries, store) for package in planned]
    with executor or _workers() as pool:
        return assemble(packages, store, log, pool)


def assemble_and_check(
    planned: Sequence[PackagePlan], lock: Lock, binaries: Binaries, store: Store, log: Log
) -> tuple[tuple[BuiltPackage, ...], Report]:
    """Make packages, and check each finished one while the next is made.

    What passed once is not read again.
    """
    from kubeparcel.build.build_check import ConcurrentChecker

    packages = [finalize(package, lock, binaries, store) for package in planned]
    with ConcurrentChecker(packages, store) as checking:
        with _workers() as pool:
            made = assemble(packages, store, log, pool, checking.submit)
        return made, checking.report(made, log)


def _workers() -> Executor:
    return ThreadPoolExecutor(max(2, len(os.sched_getaffinity(0))))


def write_output(made: Sequence[BuiltPackage], store: Store, out: Path) -> tuple[Path, ...]:
    """Copy packages to the output folder where they are not there already; give the changed ones.

    SHA256SUMS comes last, and names every package there: earlier ones too.
    """
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda one: _copy(one, store, out), made)
        changed = tuple(path for path in done if path)
    sums = out / "SHA256SUMS"
    text = _sums(made, sums, out)
    if not sums.is_file() or sums.read_bytes() != text.encode():
        with atomic_write(sums) as part:
            part.write_text(text, "utf-8")
    return changed


def _copy(one: BuiltPackage, store: Store, out: Path) -> Path | None:
    target = out / one.package.file_name
    if target.is_file() and target.stat().st_size == one.size and sha256_of(target) == one.sha256:
        return None
    # One just made was read and checked a moment ago.
    source = store.path(one.sha256) if one.seconds else store.get(one.sha256, one.package.file_name)
    with atomic_write(target) as part:
        shutil.copyfile(source, part)
    return target


def _sums(made: Sequence[BuiltPackage], sums: Path, out: Path) -> str:
    known = {
        name: digest for name, digest in read_checksums(sums).items() if (out / name).is_file()
    }
    known.update({one.package.file_name: one.sha256 for one in made})
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(known.items()))


def read_checksums(sums: Path) -> dict[str, str]:
    """The packages that a SHA256SUMS names, with their digests; other lines are not ours."""
    if not sums.is_file():
        return {}
    text = sums.read_text("utf-8", errors="replace")
    return {name: digest for digest, name in _LINE.findall(text)}


@contextmanager
def lock_output_folder(out: Path) -> Iterator[None]:
    """Be the only one to write to an output folder; raises Busy naming who else does."""
    import filelock

    with translate_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(out / ".lock", timeout=0)
        holder = out / ".lock.holder"
        try:
            lock.acquire()
        except filelock.Timeout:
            who = holder.read_text("utf-8") if holder.is_file() else "another process"
            raise Busy(
                f"Another build is using {out} ({who}).",
                "Wait for it, or choose another --out.",
            ) from None
        try:
            now = datetime.now().astimezone().strftime("%H:%M")
            holder.write_text(f"process {os.getpid()} since {now}", "utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()
