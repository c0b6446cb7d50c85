"""Checks of signatures: of indexes, and those inside rpms (rpm 4.18, docs/manual/signatures.md)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from kubeparcel.doctor import locations
from kubeparcel.doctor.findings import NO_KEY, CheckKind, Fault, Subject
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.packages.rpm.header import Headers
from kubeparcel.repository.signing import openpgp, rpm_signature
from kubeparcel.times import utc_date

SIGN_RPM_HINT = "Sign it (rpmsign --addsign, or inv publish): clients with gpgcheck=1 refuse to install it."
_SIGN_AGAIN_HINT = "Sign it again with the key that clients have; until then apt and dnf reject the repository."
_STRONGER_HINT = (
    "Current apt and rpm reject it. Sign with a current GnuPG: --digest-algo SHA512, and without --force-v3-sigs."
)
_BEGIN, _SIGNATURE = "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"
_END = "-----END PGP SIGNATURE-----"


def check_signature(
    subject: Subject, kind: CheckKind, keys: TrustedKeys, signature: bytes, data: bytes | None, location: str
) -> None:
    """Check a signature of an index and record the findings; `data` is None if clear-signed."""
    subject.add_faults(signature_faults(kind, keys, signature, data, location))
    packets = list(openpgp.signatures(openpgp.dearmor(signature)))
    if packets:
        subject.mark_run(CheckKind.PACKET)
    expiries = [packet.expires for packet in packets if packet.expires]
    if expiries and keys.now < min(expiries) < keys.horizon_end:
        subject.add_remark(f"{location}: the signature expires on {utc_date(min(expiries))}")
    if keys.verifier is None:
        subject.mark_not_run(NO_KEY, kind, CheckKind.SQV)
        return
    subject.mark_run(kind)
    if kind in subject.findings:
        subject.mark_not_run("gpgv rejects the signature", CheckKind.SQV)
        return
    problem = keys.verifier.sqv_problem(signature, data)
    if problem is None:
        subject.mark_not_run(keys.verifier.sqv_missing_reason, CheckKind.SQV)
        return
    subject.mark_run(CheckKind.SQV)
    if problem:
        subject.add_finding(
            CheckKind.SQV,
            "a signature that sqv accepts",
            problem,
            location,
            "Current apt verifies with sqv and rejects it: sign with a stronger key or digest.",
        )


def signature_faults(
    kind: CheckKind, keys: TrustedKeys, signature: bytes, data: bytes | Path | None, location: str
) -> Iterator[Fault]:
    """Yield the faults of a signature: weak packets, and what gpgv rejects."""
    packets = list(openpgp.signatures(openpgp.dearmor(signature)))
    if not packets:
        expected, found = "an OpenPGP signature", "no signature, or a damaged one"
        yield Fault(kind, expected, found, location, _SIGN_AGAIN_HINT)
        return
    for packet in packets:
        if packet.weakness:
            yield Fault(
                CheckKind.PACKET, "version 4 or newer, SHA-256 or better", packet.weakness, location, _STRONGER_HINT
            )
    if keys.verifier is not None and (problem := keys.verifier.gpgv_problem(signature, data)):
        expected = "a valid signature by a trusted key"
        yield Fault(kind, expected, problem, location, _SIGN_AGAIN_HINT)


def cleartext(data: bytes) -> str | None:
    """Return the text of a clear-signed message (RFC 4880, 7); None for another, or with text outside the armor."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.startswith(_BEGIN) or _SIGNATURE not in text:
        return None
    if text.partition(_END)[2].strip():
        return None
    body = text.partition("\n\n")[2].partition(_SIGNATURE)[0].rstrip("\n")
    return "".join(f"{line.removeprefix('- ')}\n" for line in body.split("\n"))


def rpm_signature_faults(
    reader: RepositoryReader, path: str, headers: Headers, head: bytes, keys: TrustedKeys
) -> Iterator[Fault]:
    """Yield the faults of an rpm's signatures; none for an rpm without a signature.

    `head` are the rpm's first bytes. Signatures of header and payload together, which rpm made
    before 4.14, are verified only if there is none of the header.
    """
    of_header = rpm_signature.header_signatures(headers)
    main = head[headers.main.start : headers.main.end]
    for signature in of_header:
        yield from signature_faults(CheckKind.RPM_SIGNATURE, keys, signature, main, path)
    if of_header:
        return
    for signature in rpm_signature.package_signatures(headers):
        yield from _package_signature_faults(reader, path, headers.main.start, signature, keys)


def _package_signature_faults(
    reader: RepositoryReader, path: str, start: int, signature: bytes, keys: TrustedKeys
) -> Iterator[Fault]:
    """Verify a signature of all bytes from `start` on; gpgv needs them in a file."""
    with tempfile.NamedTemporaryFile(prefix="kp-") as file:

        def write(blocks: Iterator[bytes]) -> int:
            file.seek(0)
            file.truncate()
            skip = start
            for block in blocks:
                file.write(block[skip:])
                skip = max(skip - len(block), 0)
            file.flush()
            return 1

        locations.stream(reader, path, write)
        kind = CheckKind.RPM_SIGNATURE
        yield from list(signature_faults(kind, keys, signature, Path(file.name), path))
