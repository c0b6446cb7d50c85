"""Archives and packages built byte by byte, including those that no tool would build."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONTROL = """\
Package: small
Version: 1.0-1
Architecture: amd64
Maintainer: Somebody <somebody@example.org>
Description: one line
"""


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: object) -> bytes:
    """One member of a tar archive, with any name and type."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.uname, info.gname = len(data), kind, "root", "root"
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % 512)


def tar(*members: bytes) -> bytes:
    """A tar archive with its end."""
    return b"".join(members) + b"\0" * 1024


def tar_archive(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    """Return a tar archive as Python's library writes it, with pax headers for long names."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.uname = len(data), 1001, "runner"
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def ar(*members: tuple[str, bytes], mtime: int = 0) -> bytes:
    """Return an ar archive."""
    archive = b"!<arch>\n"
    for name, data in members:
        archive += f"{name:<16}{mtime:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        archive += data + b"\n" * (len(data) % 2)
    return archive


def deb(
    *members: bytes,
    control: Mapping[str, str] | None = None,
    payload: tuple[str, bytes] | None = None,
    more: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """A deb of these members of its payload, or of a whole payload under its own name."""
    files = {"control": CONTROL, **(control or {})}
    inside = tar(*(member(f"./{name}", text.encode()) for name, text in files.items()))
    return ar(("debian-binary", b"2.0\n"), ("control.tar", inside), payload or ("data.tar", tar(*members)), *more)


@dataclass(frozen=True)
class File:
    """A file of an rpm: what the payload has, and what the header says where that differs."""

    path: str
    data: bytes = b"x\n"
    mode: int = 0o100644
    name: str = ""
    digest: str = ""
    header_mode: int = 0
    header_target: str = ""
    size: int = -1
    flags: int = 0


def cpio(*files: File) -> bytes:
    """The payload of these files, with its end."""
    archive = b""
    for number, file in enumerate([*files, File("TRAILER!!!", b"", 0, "TRAILER!!!")], 1):
        name = (file.name or f".{file.path}").encode() + b"\0"
        fields = (number, file.mode, 0, 0, 1, 0, len(file.data), 0, 0, 0, 0, len(name), 0)
        archive += b"070701" + b"".join(b"%08x" % field for field in fields) + name
        archive += b"\0" * (-len(archive) % 4) + file.data
        archive += b"\0" * (-len(archive) % 4)
    return archive


Value = str | bytes | Sequence[str] | Sequence[int]

# The types of header values (rpm, lib/rpmtag.h), and the tags with others than the usual ones.
_INT16, _INT32, _STRING, _BINARY, _STRINGS, _I18N_STRINGS = 3, 4, 6, 7, 8, 9
_INT16_TAGS = (1030, 1033)
_I18N_TAGS = (1004, 1005, 1016)


def header(values: Mapping[int, Value], region: int = 0) -> bytes:
    """Return an rpm header of these values by tag; `region` is the tag of its region, if any."""
    index, store = b"", b""
    for tag, value in sorted(values.items()):
        kind, count, data = _encode(tag, value)
        alignment = {_INT16: 2, _INT32: 4}.get(kind, 1)
        store += b"\0" * (-len(store) % alignment)
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += data
    count = len(values)
    if region:
        count += 1
        index = struct.pack(">IIII", region, _BINARY, len(store), 16) + index
        store += struct.pack(">IIiI", region, _BINARY, -16 * count, 16)
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", count, len(store)) + index + store


def _encode(tag: int, value: Value) -> tuple[int, int, bytes]:
    """Return the type, the number of values, and their bytes."""
    match value:
        case bytes():
            return _BINARY, len(value), value
        case str():
            kind = _I18N_STRINGS if tag in _I18N_TAGS else _STRING
            return kind, 1, value.encode() + b"\0"
        case [str(), *_]:
            return _STRINGS, len(value), b"".join(f"{text}\0".encode() for text in value)
        case _:
            kind, code = (_INT16, "H") if tag in _INT16_TAGS else (_INT32, "I")
            return kind, len(value), struct.pack(f">{len(value)}{code}", *value)


def rpm_file(main: bytes, payload: bytes, signature: bytes, label: str = "") -> bytes:
    """Return an rpm of its main header, compressed payload, signature header, and name."""
    lead = struct.pack(">4sBBhh66shh16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, label.encode()[:65], 1, 5)
    return lead + signature + b"\0" * (-len(signature) % 8) + main + payload


def rpm(
    *files: File,
    listed: Sequence[File] | None = None,
    payload: bytes | None = None,
    values: Mapping[int, Value] | None = None,
) -> bytes:
    """An rpm of these files; `listed` are those of the header, `values` more of its values."""
    packed = gzip.compress(cpio(*files)) if payload is None else payload
    header_files = files if listed is None else listed
    identity: dict[int, Value] = {1000: "small", 1001: "1.0", 1002: "1", 1022: "x86_64"}
    main = header({**identity, **_file_tags(header_files), **(values or {})})
    return rpm_file(main, packed, header({1000: [len(main) + len(packed)]}))


def _file_tags(files: Sequence[File]) -> Mapping[int, Value]:
    if not files:
        return {}
    return {
        1027: [file.path for file in files],
        1028: [len(file.data) if file.size < 0 else file.size for file in files],
        1030: [file.header_mode or file.mode for file in files],
        1034: [0] * len(files),
        1035: [file.digest or hashlib.sha256(file.data).hexdigest() for file in files],
        1036: [file.header_target or file.data.decode("latin-1") for file in files],
        1037: [file.flags for file in files],
        1039: ["root"] * len(files),
        1040: ["root"] * len(files),
        5011: [8],
    }
