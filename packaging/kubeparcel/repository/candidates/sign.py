"""Sign the new RPMs of a publish, in copies: the user's files do not change."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from io import FileIO
from pathlib import Path

from kubeparcel.console import Log, quantity
from kubeparcel.errors import ConfigurationError
from kubeparcel.files import translate_os_errors
from kubeparcel.model import Format
from kubeparcel.packages.digest import HEAD_SIZE, hash_file
from kubeparcel.packages.rpm import header
from kubeparcel.repository.candidates.match import Candidates
from kubeparcel.repository.candidates.read import parse_rpm
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import PackageCache, ParsedFile
from kubeparcel.repository.signing import rpm_signature
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.threads import PROCESSORS

_BATCH = 250
"""The number of signatures from which on, and in groups of which, worker processes verify them."""


def sign_rpms(candidates: Candidates, signer: Signer, folder: Path, cache: PackageCache, log: Log) -> Candidates:
    """Return the candidates; RPMs not signed by our keys are replaced by signed copies."""
    rpms = {package for package in candidates.sources if package.format is Format.RPM}
    unsigned = sorted(rpms - _signed_by(signer, candidates))
    if not unsigned:
        return candidates
    signer.home.start_agent()
    signed: dict[Package, ParsedFile] = {}
    with (
        ThreadPoolExecutor(PROCESSORS) as threads,
        log.task("Sign", quantity(len(unsigned), "rpms"), len(unsigned), "rpms") as task,
    ):
        results = threads.map(lambda rpm: _sign(rpm, candidates.sources[rpm], signer, folder), unsigned)
        for package, result in zip(unsigned, results, strict=True):
            signed[package] = result
            task.advance()
    cache.store_packages(rpm.parsed for rpm in signed.values())
    copies = {package: rpm.parsed.package for package, rpm in signed.items()}
    return replace(
        candidates,
        packages=frozenset(copies.get(package, package) for package in candidates.packages),
        sources={
            copies.get(package, package): signed[package].file if package in signed else file
            for package, file in candidates.sources.items()
        },
        files={copies.get(package, package): file for package, file in candidates.files.items()},
    )


def _signed_by(signer: Signer, candidates: Candidates) -> set[Package]:
    """Return the RPMs with a valid signature of their header by one of our current keys.

    Their files are read again: a signature that only names one of our keys proves nothing. An RSA
    signature takes 0.7 ms to verify, so many are verified in worker processes.
    """
    packages = sorted(candidates.signed)
    if not packages:
        return set()
    paths = [candidates.sources[package].path for package in packages]
    sizes = [package.size for package in packages]
    verify = partial(_verified_signers, signer.export_public_keys(armored=False))
    if len(packages) < _BATCH:
        signers = list(map(verify, paths, sizes))
    else:
        from kubeparcel.worker_processes import worker_processes

        with worker_processes() as processes:
            signers = list(processes.map(verify, paths, sizes, chunksize=_BATCH))
    return {
        package
        for package, fingerprints in zip(packages, signers, strict=True)
        if not fingerprints.isdisjoint(signer.fingerprints)
    }


def _verified_signers(certificates: bytes, path: str, size: int) -> frozenset[str]:
    with translate_os_errors(Path(path)), FileIO(path) as file:
        head = file.read(min(size, HEAD_SIZE))
        head += file.read(max(header.head_length(head) - len(head), 0))
    headers = header.read_headers(head, size)
    return rpm_signature.verified_signers(head, headers, certificates)


def _sign(package: Package, source: FileStamp, signer: Signer, folder: Path) -> ParsedFile:
    content = hash_file(source.path, header.head_length)
    if content.sha256 != package.sha256:
        raise ConfigurationError(f"{source.path} changed while it was published.", "Run it again.")
    headers = header.read_headers(content.head, content.size)
    signature = signer.sign_binary(content.head[headers.main.start : headers.main.end])
    target = folder / f"{package.sha256}.rpm"
    with translate_os_errors(target):
        signed = rpm_signature.write_signed_copy(Path(source.path), content.head, headers, signature, target)
        source.require_unchanged(Path(source.path).stat())
        file = FileStamp.of(str(target), target.stat(), time.time_ns())
    return ParsedFile(file, parse_rpm(signed.head, signed.size, signed.sha256))
