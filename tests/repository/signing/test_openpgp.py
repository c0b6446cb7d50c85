"""Signatures and keys are parsed as far as their age, strength and issuer."""

from __future__ import annotations

import base64
import hashlib
import sys

import pytest

from kubeparcel.errors import ToolError
from kubeparcel.repository.signing.openpgp import Signature, dearmor, is_key, packets, self_signatures, signatures

KEY = bytes([4]) + bytes(4) + b"\1\0\x08\xff\0\2\3"
OTHER_KEY_ID = "90B75DE25CC55A03"


def encode_packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, len(body)]) + body


def version_4(
    kind: int = 0x13, algorithm: int = 8, created: int = 1000, lifetime: int | None = None, issuer: str = "0" * 16
) -> bytes:
    """The body of a version 4 signature; `lifetime` is in seconds."""
    hashed = b"\5\2" + created.to_bytes(4, "big")
    if lifetime is not None:
        hashed += b"\5\3" + lifetime.to_bytes(4, "big")
    unhashed = b"\x09\x10" + bytes.fromhex(issuer)
    sizes = [len(part).to_bytes(2, "big") for part in (hashed, unhashed)]
    head = bytes([4, kind, 1, algorithm])
    return head + sizes[0] + hashed + sizes[1] + unhashed + b"\xab\xcd\0\1\1"


def version_3(algorithm: int = 8) -> bytes:
    created = (1000).to_bytes(4, "big")
    return bytes([3, 5, 0]) + created + bytes(8) + bytes([1, algorithm]) + b"\xab\xcd\0\1\1"


def test_version_4_signature_has_its_type_digest_issuer_and_times():
    data = encode_packet(2, version_4(lifetime=60, issuer=OTHER_KEY_ID))
    expected = Signature(4, "PositiveCertification", "SHA256", OTHER_KEY_ID, 1000, 1060)
    assert list(signatures(data)) == [expected]


def test_issuer_is_also_taken_from_the_fingerprint():
    fingerprint = b"\x16\x21\x04" + bytes(12) + bytes.fromhex(OTHER_KEY_ID)
    body = bytes([4, 0, 1, 8, 0, 0, 0, len(fingerprint)]) + fingerprint + b"\xab\xcd\0\1\1"
    assert [found.issuer for found in signatures(encode_packet(2, body))] == [OTHER_KEY_ID]


@pytest.mark.parametrize(
    ("body", "weakness"),
    [
        (version_4(), ""),
        (version_4(algorithm=10), ""),
        (version_4(algorithm=2), "digest SHA-1"),
        (version_4(algorithm=1), "digest MD5"),
        (version_4(algorithm=3), "digest RIPEMD-160"),
        (version_4(algorithm=99), "digest 99"),
        (version_3(), "version 3"),
        (version_3(2), "version 3"),
        (bytes([6, 0, 27, 12]) + bytes(20), ""),
    ],
)
def test_weakness_names_what_current_systems_reject(body, weakness):
    (signature,) = signatures(encode_packet(2, body))
    assert signature.weakness == weakness


@pytest.mark.parametrize("tag", [15, 16, 22, 38, 59, 60, 63])
def test_packets_with_a_tag_without_a_name_are_passed_over(tag):
    data = encode_packet(2, version_4()) + encode_packet(tag, b"xyz")
    assert [found.version for found in signatures(data)] == [4]
    key = encode_packet(6, KEY) + encode_packet(13, b"Tests") + self_signature() + encode_packet(tag, b"xyz")
    assert is_key(key)
    assert weaknesses(key) == [""]


def test_signature_may_be_of_a_type_without_a_name():
    (signature,) = signatures(encode_packet(2, version_4(kind=0x9D, issuer=OTHER_KEY_ID)))
    assert (signature.kind, signature.digest, signature.issuer) == ("", "SHA256", OTHER_KEY_ID)


def test_signature_with_a_fingerprint_of_an_unknown_kind_is_parsed():
    data = bytes.fromhex("c21404c90c05000000030221 7d9a08db3d94a21ed08e")
    (signature,) = signatures(data)
    assert (signature.version, signature.kind) == (4, "")


@pytest.mark.parametrize("size", [10, 191, 192, 500, 8383, 8384, 30_000])
def test_packets_of_every_length_are_parsed(size):
    body = bytes(size)
    if size < 192:
        length = bytes([size])
    elif size < 8384:
        length = bytes([(size - 192 >> 8) + 192, size - 192 & 0xFF])
    else:
        length = b"\xff" + size.to_bytes(4, "big")
    old_format = bytes([0x80 | 13 << 2 | 2]) + size.to_bytes(4, "big")
    data = bytes([0xC0 | 13]) + length + body + old_format + body
    assert [(str(packet.tag), len(packet.body)) for packet in packets(data)] == [
        ("Tag.UserID", size),
        ("Tag.UserID", size),
    ]


def test_truncated_data_has_at_most_its_complete_signatures():
    whole = encode_packet(2, version_4()) * 2
    for end in range(len(whole)):
        assert len(list(signatures(whole[:end]))) <= 1


@pytest.mark.parametrize("header", [b"", b"Version: GnuPG v2\n", b"Comment: x\nHash: SHA512\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_dearmor_ignores_headers_checksum_and_line_ends(header, end):
    data = encode_packet(2, version_4())
    text = base64.encodebytes(data)
    armored = b"-----BEGIN PGP SIGNATURE-----\n" + header + b"\n" + text + b"=abcd\n-----END"
    assert dearmor(armored.replace(b"\n", end)) == data
    assert dearmor(data) == data


def test_dearmor_of_damaged_armor_is_empty():
    assert dearmor(b"-----BEGIN PGP SIGNATURE-----\n\niQIz") == b""
    assert dearmor(b"-----BEGIN PGP SIGNATURE-----\n\n!\n-----END") == b""


def test_only_a_public_key_is_a_key():
    assert is_key(encode_packet(6, KEY))
    assert not is_key(encode_packet(2, version_4()))
    assert not is_key(b"<html>404</html>")
    assert not is_key(b"")


def self_signature(algorithm: int = 8, created: int = 1000) -> bytes:
    digest = hashlib.sha1(b"\x99" + len(KEY).to_bytes(2, "big") + KEY).hexdigest()
    body = version_4(algorithm=algorithm, created=created, issuer=digest[-16:])
    return encode_packet(2, body)


def weaknesses(certificate: bytes) -> list[str]:
    return [signature.weakness for _, signature in self_signatures(certificate)]


def test_newest_self_signature_of_a_key_counts():
    start = encode_packet(6, KEY) + encode_packet(13, b"Tests")
    old, new = self_signature(algorithm=2), self_signature(algorithm=10, created=2000)
    assert weaknesses(start + old + new) == [""]
    old, new = self_signature(algorithm=10), self_signature(algorithm=2, created=2000)
    assert weaknesses(start + old + new) == ["digest SHA-1"]


def test_signatures_of_others_on_a_key_are_ignored():
    others = encode_packet(2, version_4(algorithm=2, issuer=OTHER_KEY_ID))
    start = encode_packet(6, KEY) + encode_packet(13, b"Tests")
    assert weaknesses(start + self_signature() + others) == [""]


def test_missing_pysequoia_is_reported_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysequoia", None)
    with pytest.raises(ToolError, match="not installed") as error:
        is_key(encode_packet(6, KEY))
    assert "pip install pysequoia" in error.value.hint
