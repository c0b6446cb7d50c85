"""Judges one signature: its packets, and what gpgv and sqv say of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from kubeparcel.doctor.findings import CheckKind, Fault, Subject
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.repository.signing import openpgp

_BEGIN, _SIGNATURE = "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"
_END = "-----END PGP SIGNATURE-----"


def judge(
    examined: Subject,
    kind: CheckKind,
    ring: TrustedKeys,
    signature: bytes,
    data: bytes | None,
    where: str,
) -> None:
    """Note what is wrong with a repository's signature; `data` is None when it is inside."""
    examined.mark_run(kind, CheckKind.PACKET)
    examined.add_faults(problems(kind, ring, signature, data, where))
    ends = [p.expires for p in openpgp.signatures(openpgp.dearmor(signature)) if p.expires]
    if ends and ring.now < min(ends) < ring.horizon_end:
        day = datetime.fromtimestamp(min(ends), UTC).strftime("%Y-%m-%d")
        examined.add_remark(f"{where}: the signature itself expires on {day}")
    if ring.verifier is None or kind in examined.findings:
        return
    said = ring.verifier.sqv_problem(signature, data)
    if said is not None:
        examined.mark_run(CheckKind.SQV)
    if said:
        examined.add_finding(CheckKind.SQV, "accepted", said, where)


def problems(
    kind: CheckKind, ring: TrustedKeys, signature: bytes, data: bytes | Path | None, where: str
) -> Iterator[Fault]:
    """What is wrong with a signature, by its packets and by gpgv."""
    found = list(openpgp.signatures(openpgp.dearmor(signature)))
    if not found:
        yield Fault(kind, "a signature", "there is none in it", where)
        return
    todo = "Sign it with a current GnuPG: --digest-algo SHA512, no --force-v3-sigs."
    for packet in found:
        if packet.weakness:
            weak = packet.weakness
            yield Fault(CheckKind.PACKET, "version 4, SHA-256 or better", weak, where, todo)
    if ring.verifier is not None and (said := ring.verifier.gpgv_problem(signature, data)):
        yield Fault(kind, "a good signature by a trusted key", said, where)


def cleartext(data: bytes) -> str | None:
    """The text inside a clear signature (RFC 4880, section 7); None when it is none, or more."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.startswith(_BEGIN) or _SIGNATURE not in text:
        return None
    if text.partition(_END)[2].strip():
        return None
    body = text.partition("\n\n")[2].partition(_SIGNATURE)[0].rstrip("\n")
    return "".join(f"{line.removeprefix('- ')}\n" for line in body.split("\n"))
