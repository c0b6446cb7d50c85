"""Judges one signature: its packets, and what gpgv and sqv say of it."""

from __future__ import annotations

from . import packets
from .finding import Examined, Kind
from .keyring import Ring

_BEGIN, _SIGNATURE = "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"


def judge(
    examined: Examined, kind: Kind, ring: Ring, signature: bytes, data: bytes | None, where: str
) -> None:
    """Note what is wrong with a signature; `data` is None when it is inside."""
    found = list(packets.signatures(packets.dearmored(signature)))
    if not found:
        examined.fault(kind, "a signature", "there is none in it", where)
        return
    for packet in found:
        if packet.weakness:
            examined.fault(Kind.PACKET, "version 4, SHA-256 or better", packet.weakness, where)
    problem = ring.problem(signature, data)
    if problem:
        examined.fault(kind, "a good signature", problem, where)
    elif data is not None and (sqv := ring.sqv_problem(signature, data)) is not None:
        examined.look(Kind.SQV)
        if sqv:
            examined.fault(Kind.SQV, "accepted", sqv, where)


def cleartext(data: bytes) -> str | None:
    """The text inside a clear signature (RFC 4880, section 7); None when it is none."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.startswith(_BEGIN) or _SIGNATURE not in text:
        return None
    body = text.partition("\n\n")[2].partition(_SIGNATURE)[0]
    return "".join(f"{line.removeprefix('- ')}\n" for line in body.splitlines())
