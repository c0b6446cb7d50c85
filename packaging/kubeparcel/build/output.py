"""The output folder: packages, their SBOMs, SHA256SUMS, and a lock for one build at a time."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.results import BuildResult
from kubeparcel.build.sboms import build_sboms, sbom_subjects
from kubeparcel.build.statements import FOLDER as STATEMENTS
from kubeparcel.build.statements import statement_path, write_statements
from kubeparcel.console import quantity
from kubeparcel.errors import Busy
from kubeparcel.files import atomic_write, sha256_of, translate_os_errors
from kubeparcel.journal import LOG_NAME
from kubeparcel.paths import cache_dir
from kubeparcel.store import Store
from kubeparcel.trust.sbom_files import FOLDER as SBOMS
from kubeparcel.trust.sbom_files import sbom_paths

if TYPE_CHECKING:
    from kubeparcel.build.release_build import CheckedRelease
    from kubeparcel.config.settings import Settings

CHECKSUMS = "SHA256SUMS"
LOCK, LOCK_HOLDER = ".lock", ".lock.holder"

_NO_SBOMS: Mapping[str, str | None] = {}

_CHECKSUM_LINE = re.compile(rf"^([0-9a-f]{{64}})  ((?:deb|rpm|{SBOMS})/[^/\n.][^/\n]*)$", re.MULTILINE)


@contextmanager
def lock_output_folder(out: Path) -> Iterator[None]:
    """Hold the exclusive lock of an output folder; raise Busy, naming the process that has it."""
    import filelock

    with translate_os_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(out / LOCK, timeout=0)
        holder = out / LOCK_HOLDER
        try:
            lock.acquire()
        except filelock.Timeout:
            process = holder.read_text("utf-8") if holder.is_file() else "another process"
            raise Busy(f"Another build is using {out} ({process}).", "Wait for it, or choose another --out.") from None
        try:
            now = datetime.now().astimezone().strftime("%H:%M")
            holder.write_text(f"process {os.getpid()} since {now}", "utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


def write_release(checked: CheckedRelease, store: Store, described: Set[str], run: str, started: float) -> BuildResult:
    """Write the packages of a release, their SBOMs and statements to the output folder, if all checks passed.

    Packages in `described`, which another release has written, keep their statements. `run` is what releases of one run
    have in common, `started` is when it began (`time.monotonic`).
    """
    from kubeparcel.build.cache import record_build

    settings, lock, packages = checked.plan.settings, checked.plan.lock, checked.packages
    changed: tuple[Path, ...] = ()
    sboms: dict[str, str] = {}
    if checked.report.passed:
        out = settings.base / settings.out
        sboms = build_sboms(lock, packages, store) if settings.sbom else {}
        without = dict.fromkeys(sbom_paths(sbom_subjects(lock, packages)))
        changed = write_output(packages, store, out, {**without, **sboms})
        own = [package for package in packages if package.manifest.file_name not in described]
        write_statements(own, settings, lock, checked.binaries, out)
        record_build(lock, packages, store, sboms.values(), run)
    return BuildResult(
        *(display_output(settings), lock, packages, changed, (), checked.report, time.monotonic() - started),
        sboms=tuple(sboms),
    )


def display_output(settings: Settings) -> Path:
    """Return the output folder as results show it: relative to the settings' folder if it is below."""
    out = settings.base / settings.out
    return out.relative_to(settings.base) if out.is_relative_to(settings.base) else out


def write_output(
    packages: Sequence[BuiltPackage], store: Store, out: Path, sboms: Mapping[str, str | None] = _NO_SBOMS
) -> tuple[Path, ...]:
    """Copy packages and SBOMs that are new or changed to the output folder, and return their paths.

    `sboms` has the digest of each SBOM by its path; None removes that of an earlier build. SHA256SUMS
    is written last and lists every file, those of earlier builds included.
    """
    with ThreadPoolExecutor(2) as pool:
        current = pool.map(lambda package: is_current(package, out), packages)
        outdated = [package for package, same in zip(packages, current, strict=True) if not same]
        # A package built in this run was read and checked a moment ago.
        store.verify({package.sha256: package.manifest.file_name for package in outdated if not package.seconds})
        changed = tuple(pool.map(lambda package: _copy(package, store, out), outdated))
    changed += tuple(path for name, sha256 in sboms.items() if (path := _write_sbom(name, sha256, store, out)))
    checksums = out / CHECKSUMS
    written = {name: sha256 for name, sha256 in sboms.items() if sha256}
    text = _checksums({**{built.manifest.file_name: built.sha256 for built in packages}, **written}, out)
    if not checksums.is_file() or checksums.read_bytes() != text.encode():
        with atomic_write(checksums) as temporary:
            temporary.write_text(text, "utf-8")
    return changed


def _copy(built: BuiltPackage, store: Store, out: Path) -> Path:
    target = out / built.manifest.file_name
    with atomic_write(target) as temporary:
        shutil.copyfile(store.local_path(built.sha256, built.manifest.file_name), temporary)
    return target


def _write_sbom(name: str, sha256: str | None, store: Store, out: Path) -> Path | None:
    """Write an SBOM unless it is current; return its path if it was written."""
    target = out / name
    if sha256 is None:
        target.unlink(missing_ok=True)
        return None
    source = store.get(sha256, name)
    if target.is_file() and target.read_bytes() == source.read_bytes():
        return None
    with atomic_write(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def is_current(built: BuiltPackage, out: Path) -> bool:
    """Return whether the output folder has a package with the same bytes."""
    target = out / built.manifest.file_name
    same_size = target.is_file() and target.stat().st_size == built.size
    return same_size and sha256_of(target) == built.sha256


def _checksums(written: Mapping[str, str], out: Path) -> str:
    earlier = _read_all_checksums(out)
    digests = {name: digest for name, digest in earlier.items() if (out / name).is_file()}
    digests.update(written)
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def read_checksums(out: Path) -> dict[str, str]:
    """Return the SHA-256 of each package in the folder's SHA256SUMS; other lines are skipped."""
    checksums = _read_all_checksums(out)
    return {name: digest for name, digest in checksums.items() if not name.startswith(f"{SBOMS}/")}


def _read_all_checksums(out: Path) -> dict[str, str]:
    """Return the SHA-256 of each package and SBOM in the folder's SHA256SUMS."""
    checksums = out / CHECKSUMS
    if not checksums.is_file():
        return {}
    text = checksums.read_text("utf-8", errors="replace")
    return {name: digest for digest, name in _CHECKSUM_LINE.findall(text)}


def clean(settings: Settings, *, store: bool = False) -> str:
    """Remove the packages listed in SHA256SUMS and verify's reports; return a summary.

    With `store`, also remove the cache, and the container images that it tracks. Other files stay.
    """
    from kubeparcel.reports.output import REPORT_NAMES

    out = settings.base / settings.out
    packages = list(read_checksums(out))
    described = [str(statement_path(out, package)) for package in packages]
    for name in (*_read_all_checksums(out), *described, *REPORT_NAMES, LOG_NAME, CHECKSUMS, LOCK, LOCK_HOLDER):
        with suppress(IsADirectoryError):  # not ours
            (out / name).unlink(missing_ok=True)
    for folder in (out / "deb", out / "rpm", out / SBOMS, out / STATEMENTS, out):
        with suppress(OSError):  # other files stay
            folder.rmdir()
    summary = [f"Removed {quantity(len(packages), 'packages')} from {settings.out}."]
    if store:
        from kubeparcel.build.cache import read_cache

        _, images = read_cache(Store(cache_dir())).remove()
        summary += [f"Removed {quantity(images, 'images')} of hosts and nodes."] if images else []
        summary.append(f"Removed the cache {cache_dir()}.")
    return "\n".join(summary)
