"""Sign the new RPMs of a publish, in copies: the user's files do not change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError
from kubeparcel.files import translate_os_errors
from kubeparcel.model import Format
from kubeparcel.packages.digest import HEAD_SIZE, hash_file
from kubeparcel.packages.rpm import header
from kubeparcel.repository.candidates.match import Candidates, package_from
from kubeparcel.repository.candidates.read import ParsedPackage, parse_rpm
from kubeparcel.repository.model import Package
from kubeparcel.repository.package_cache import PackageCache
from kubeparcel.repository.signing import rpm_signature
from kubeparcel.repository.signing.signer import Signer

_WORKERS = 2


class SignedRpm(NamedTuple):
    """The metadata of a signed copy and its path."""

    parsed: ParsedPackage
    path: str


def sign_rpms(
    candidates: Candidates, signer: Signer, folder: Path, cache: PackageCache, log: Log
) -> Candidates:
    """Return the candidates; RPMs not signed by our keys are replaced by signed copies."""
    rpms = sorted(package for package in candidates.sources if package.format is Format.RPM)
    certificates = signer.export_public_keys(armored=False) if candidates.signed else b""
    unsigned = [
        package
        for package in rpms
        if package not in candidates.signed
        or not _signed_by(signer, certificates, package, candidates.sources[package])
    ]
    if not unsigned:
        return candidates
    signer.home.start_agent()
    signed: dict[Package, SignedRpm] = {}
    with (
        ThreadPoolExecutor(_WORKERS) as threads,
        log.task("Sign", f"{len(unsigned)} rpms", len(unsigned), "rpms") as task,
    ):
        results = threads.map(
            lambda rpm: _sign(rpm, candidates.sources[rpm], signer, folder), unsigned
        )
        for package, result in zip(unsigned, results, strict=True):
            signed[package] = result
            task.advance()
    cache.store_metadata(rpm.parsed.metadata for rpm in signed.values())
    cache.store_index_entries({r.parsed.metadata.sha256: r.parsed.entry for r in signed.values()})
    copies = {package: package_from(rpm.parsed.metadata) for package, rpm in signed.items()}
    return replace(
        candidates,
        packages=frozenset(copies.get(package, package) for package in candidates.packages),
        sources={
            copies.get(package, package): signed[package].path if package in signed else path
            for package, path in candidates.sources.items()
        },
    )


def _signed_by(signer: Signer, certificates: bytes, package: Package, source: str) -> bool:
    """Return whether an RPM has a valid signature of its header by one of our current keys.

    The file is read again: a signature that only names one of our keys proves nothing.
    """
    path = Path(source)
    with translate_os_errors(path), path.open("rb") as file:
        head = file.read(HEAD_SIZE)
        head += file.read(max(header.head_length(head) - len(head), 0))
    headers = header.read_headers(head, package.size)
    signers = rpm_signature.verified_signers(head, headers, certificates)
    return not signers.isdisjoint(signer.fingerprints)


def _sign(package: Package, source: str, signer: Signer, folder: Path) -> SignedRpm:
    content = hash_file(source, header.head_length)
    if content.sha256 != package.sha256:
        raise ConfigurationError(f"{source} changed while it was published.", "Run it again.")
    headers = header.read_headers(content.head, content.size)
    signature = signer.sign_binary(content.head[headers.main.start : headers.main.end])
    target = folder / f"{package.sha256}.rpm"
    with translate_os_errors(target):
        signed = rpm_signature.write_signed_copy(
            Path(source), content.head, headers, signature, target
        )
    return SignedRpm(parse_rpm(signed.head, signed.size, signed.sha256), str(target))
