"""OpenPGP signatures and keys, parsed and verified by pysequoia (RFC 4880, RFC 9580)."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from kubeparcel.errors import ToolError

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

_ARMOR = re.compile(rb"-----BEGIN PGP (?:SIGNATURE|PUBLIC KEY BLOCK)-----\r?\n([^-]*+(?:-(?!----)[^-]*+)*+)-----END")
_WEAK_DIGESTS = {"MD5": "MD5", "SHA1": "SHA-1", "RipeMD": "RIPEMD-160"}
_CERTIFICATIONS = {
    *("GenericCertification", "PersonaCertification", "CasualCertification"),
    *("PositiveCertification", "DirectKey", "SubkeyBinding"),
}


class Signature(NamedTuple):
    """A signature packet. `kind` and `digest` are pysequoia's names, or a number without a name.

    `issuer` is the key ID in capitals. `created` and `expires` are in seconds since 1970;
    `expires` is 0 for a signature without expiry.
    """

    version: int
    kind: str
    digest: str
    issuer: str = ""
    created: int = 0
    expires: int = 0

    @property
    def weakness(self) -> str:
        """Why current systems reject the signature; empty if they accept it."""
        if self.version < 4:
            return f"version {self.version}"
        if self.digest in _WEAK_DIGESTS or self.digest.isdigit():
            return f"digest {_WEAK_DIGESTS.get(self.digest, self.digest)}"
        return ""


def dearmor(data: bytes) -> bytes:
    """Return the binary form of armored data (one block or several); binary data is unchanged.

    Damaged armor gives empty bytes. Checksums are ignored, as RFC 9580 recommends.
    """
    blocks = _ARMOR.findall(data)
    if not blocks:
        return b"" if data.lstrip().startswith(b"-----") else data
    binary = b""
    for block in blocks:
        lines = block.replace(b"\r\n", b"\n").partition(b"\n\n")[2] or block
        text = b"".join(line for line in lines.split(b"\n") if not line.startswith(b"="))
        try:
            binary += base64.b64decode(text)
        except binascii.Error:
            return b""
    return binary


def packets(data: bytes) -> Sequence[Packet]:
    """Parse binary data; there are no packets in malformed data.

    Raises ToolError where pysequoia is not installed.
    """
    parser = _pysequoia().packet.PacketPile
    try:
        return list(parser.from_bytes(data))
    except RuntimeError:
        return []


def is_key(data: bytes) -> bool:
    """Return whether this is a public key, armored or not."""
    return any(_tag(packet) == "PublicKey" for packet in packets(dearmor(data))[:1])


def signatures(data: bytes) -> Iterator[Signature]:
    """Yield the signature packets of binary data."""
    for packet in packets(data):
        if _tag(packet) == "Signature":
            yield _signature(packet)


def secret_key(data: bytes, fingerprint: str) -> bytes:
    """Return the body of the private key or subkey with a fingerprint; empty if there is none."""
    for packet in packets(data):
        if (
            _tag(packet) in ("SecretKey", "SecretSubkey")
            and (_field(packet, "fingerprint") or "").upper() == fingerprint
        ):
            return _field(packet, "body") or b""
    return b""


def self_signatures(certificates: bytes) -> Iterator[tuple[str, Signature]]:
    """Yield the newest self-signature of each part of each key, with the key's ID."""
    newest: dict[tuple[str, bytes, str], tuple[str, Signature]] = {}
    key_id, part = "", b""
    for packet in packets(certificates):
        tag = _tag(packet)
        if tag == "PublicKey":
            key_id = (_field(packet, "key_id") or "").upper()
        if tag in ("PublicKey", "PublicSubkey", "UserID"):
            part = _field(packet, "body") or b""
        if tag != "Signature":
            continue
        signature = _signature(packet)
        if signature.kind in _CERTIFICATIONS and signature.issuer in ("", key_id):
            place = key_id, part, signature.kind  # two keys may have the same user ID
            before = newest.get(place)
            if before is None or signature.created >= before[1].created:
                newest[place] = (key_id, signature)
    yield from newest.values()


def verified_signers(signature: bytes, data: bytes, certificates: bytes) -> frozenset[str]:
    """Return the fingerprints, in capitals, of the keys that made this detached signature of data.

    Only keys in `certificates` count, and only one binary signature packet is accepted. Raises
    ToolError where pysequoia is not installed.
    """
    if len(packets(signature)) != 1:
        return frozenset()
    library = _pysequoia()
    try:
        keys = _certificates(certificates)
        result = library.verify(bytes=data, store=lambda _: keys, signature=library.Sig.from_bytes(signature))
    except RuntimeError:
        return frozenset()
    return frozenset(valid.signing_key.upper() for valid in result.valid_sigs)


@functools.lru_cache(4)
def _certificates(data: bytes) -> list[Cert]:
    certificates: list[Cert] = _pysequoia().Cert.split_bytes(data)
    return certificates


def _pysequoia() -> ModuleType:
    try:
        import pysequoia.packet
    except ImportError:
        raise ToolError(
            "pysequoia, which parses OpenPGP signatures, is not installed.",
            "Run: pip install pysequoia (it has wheels for x86_64 and aarch64; elsewhere pip "
            "builds it, which needs a Rust toolchain).",
        ) from None
    return pysequoia


def _tag(packet: Packet) -> str:
    return _name(_field(packet, "tag"))


def _field(packet: Packet, name: str) -> Any:
    """Return a field of a packet; None if there is none, or a number that pysequoia has no name for."""
    try:
        return getattr(packet, name)
    except RuntimeError:
        return None


def _name(value: object) -> str:
    """`SignatureType.DirectKey` is called `DirectKey`; pysequoia's values are not hashable."""
    return str(value or "").rpartition(".")[2]


def _signature(packet: Packet) -> Signature:
    version, body = _field(packet, "signature_version"), _field(packet, "body") or bytes(4)
    if version is None:  # pysequoia cannot parse it: its version is all we know
        return Signature(body[0], "", "")
    issuer = _field(packet, "issuer_key_id") or _field(packet, "issuer_fingerprint") or ""
    return Signature(
        version,
        _name(_field(packet, "signature_type")),
        _name(_field(packet, "hash_algorithm")) or str(body[3]),
        issuer[-16:].upper(),
        _seconds(_field(packet, "signature_created")),
        _seconds(_field(packet, "signature_expiration_time")),
    )


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0
