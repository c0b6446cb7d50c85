"""OpenPGP packets are read far enough to know how old and how strong a signature is."""

from __future__ import annotations

import base64

import pytest

from kubeparcel.repository.signing.openpgp import (
    Signature,
    dearmored,
    is_key,
    packets,
    signatures,
    vouching,
)

KEY = bytes([4]) + bytes(4) + b"\1\0\x08\xff\0\2\3"
NUMBER = "90B75DE25CC55A03"


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, len(body)]) + body


def four(kind: int = 0x13, algorithm: int = 8, created: int = 1000, **more: object) -> bytes:
    """The body of a signature of version 4; `lasts` are seconds, `issuer` a key's number."""
    hashed = b"\5\2" + created.to_bytes(4, "big")
    if "lasts" in more:
        hashed += b"\5\3" + int(str(more["lasts"])).to_bytes(4, "big")
    other = b"\x09\x10" + bytes.fromhex(str(more.get("issuer", "0" * 16)))
    sizes = [len(part).to_bytes(2, "big") for part in (hashed, other)]
    return bytes([4, kind, 1, algorithm]) + sizes[0] + hashed + sizes[1] + other + b"\xab\xcd\0\1\1"


def three(algorithm: int = 8) -> bytes:
    return (
        bytes([3, 5, 0]) + (1000).to_bytes(4, "big") + bytes(8) + bytes([1, algorithm]) + bytes(5)
    )


def test_a_signature_of_version_four_is_read_with_its_times_and_its_key() -> None:
    data = packet(2, four(lasts=60, issuer=NUMBER))
    assert list(signatures(data)) == [Signature(4, 0x13, 8, NUMBER, 1000, 1060)]


@pytest.mark.parametrize(
    ("body", "weakness"),
    [
        (four(), ""),
        (four(algorithm=10), ""),
        (four(algorithm=2), "digest SHA-1"),
        (four(algorithm=1), "digest MD5"),
        (four(algorithm=99), "digest 99"),
        (three(), "version 3"),
        (three(2), "version 3"),
        (bytes([6, 0, 27, 12]) + bytes(20), ""),
    ],
)
def test_what_current_systems_refuse_is_a_weakness(body: bytes, weakness: str) -> None:
    (found,) = signatures(packet(2, body))
    assert found.weakness == weakness


@pytest.mark.parametrize("size", [10, 191, 192, 500, 8383, 8384, 70_000])
def test_packets_of_every_length_are_walked_over(size: int) -> None:
    body = bytes(size)
    if size < 192:
        length = bytes([size])
    elif size < 8384:
        length = bytes([(size - 192 >> 8) + 192, size - 192 & 0xFF])
    else:
        length = b"\xff" + size.to_bytes(4, "big")
    old = bytes([0x80 | 13 << 2 | 2]) + size.to_bytes(4, "big")
    data = bytes([0xC0 | 13]) + length + body + old + body
    assert [(tag, len(inner)) for tag, inner in packets(data)] == [(13, size), (13, size)]


def test_damage_ends_the_walk_and_nothing_else() -> None:
    whole = packet(2, four()) * 2
    for end in range(len(whole)):
        assert len(list(signatures(whole[:end]))) <= 1


@pytest.mark.parametrize("header", [b"", b"Version: GnuPG v2\n", b"Comment: x\nHash: SHA512\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_armour_is_taken_off_whatever_its_headers(header: bytes, end: bytes) -> None:
    data = packet(2, four())
    text = base64.encodebytes(data)
    armoured = b"-----BEGIN PGP SIGNATURE-----\n" + header + b"\n" + text + b"=abcd\n-----END"
    assert dearmored(armoured.replace(b"\n", end)) == data
    assert dearmored(data) == data


def test_armour_that_is_cut_short_holds_nothing() -> None:
    assert dearmored(b"-----BEGIN PGP SIGNATURE-----\n\niQIz") == b""
    assert dearmored(b"-----BEGIN PGP SIGNATURE-----\n\n!\n-----END") == b""


def test_a_page_is_no_key() -> None:
    assert is_key(packet(6, KEY))
    assert not is_key(packet(2, four()))
    assert not is_key(b"<html>404</html>")
    assert not is_key(b"")


def own(**more: object) -> bytes:
    import hashlib

    number = hashlib.sha1(b"\x99" + len(KEY).to_bytes(2, "big") + KEY).hexdigest()[-16:].upper()
    return packet(2, four(**{"issuer": number, **more}))  # type: ignore[arg-type]


def test_of_a_keys_own_signatures_the_newest_counts() -> None:
    start = packet(6, KEY) + packet(13, b"Tests")
    renewed = start + own(algorithm=2) + own(algorithm=10, created=2000)
    assert [one.weakness for _, one in vouching(renewed)] == [""]
    worse = start + own(algorithm=10) + own(algorithm=2, created=2000)
    assert [one.weakness for _, one in vouching(worse)] == ["digest SHA-1"]


def test_what_others_say_of_a_key_does_not_matter() -> None:
    others = packet(2, four(algorithm=2, issuer=NUMBER))
    data = packet(6, KEY) + packet(13, b"Tests") + own() + others
    assert [one.weakness for _, one in vouching(data)] == [""]
