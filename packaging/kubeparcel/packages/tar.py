"""Read tar archives as they are decompressed, within limits: ustar, GNU and PAX (tar(5))."""

from __future__ import annotations

import hashlib
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.files import translate_os_errors
from kubeparcel.packages import limits
from kubeparcel.packages.compression import MAGIC_SIZE, compression_by_magic
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.limits import Limit
from kubeparcel.packages.member_names import NameBudget
from kubeparcel.packages.model import FileType
from kubeparcel.packages.numbers import parse_number
from kubeparcel.packages.payload_stream import FileSection, PayloadStream, open_payload

_KINDS: Mapping[bytes, FileType] = {
    tarfile.REGTYPE: FileType.FILE,
    tarfile.AREGTYPE: FileType.FILE,
    tarfile.DIRTYPE: FileType.DIR,
    tarfile.SYMTYPE: FileType.SYMLINK,
    tarfile.LNKTYPE: FileType.HARDLINK,
    tarfile.CHRTYPE: FileType.CHARACTER_DEVICE,
    tarfile.BLKTYPE: FileType.BLOCK_DEVICE,
    tarfile.FIFOTYPE: FileType.FIFO,
}
_WITHOUT_DATA = frozenset(_KINDS) - {tarfile.REGTYPE, tarfile.AREGTYPE}
_LONG_NAMES: Mapping[bytes, str] = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_PAX = frozenset((tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE))
_RECORD = re.compile(rb"([0-9]{1,7}) ")
_INTEGER = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True)
class TarMember:
    """A member of `size` bytes in the stream; `owner` and `group` are numbers where the archive has no names."""

    name: str
    kind: FileType
    mode: int
    owner: str
    group: str
    mtime: int
    target: str
    size: int


def archive_members(
    archive: Path, name: str, limit: Limit, time_limit: Limit, compression: str = ""
) -> Iterator[tuple[PayloadStream, TarMember]]:
    """Yield the members of a file, with the stream in which their bytes are next. Raises MalformedData.

    `name` stands for the archive in errors. Without `compression`, that of the file's magic is taken.
    """
    with translate_os_errors(archive), archive.open("rb") as file:
        section = FileSection(file, 0, archive.stat().st_size)
        compression = compression or compression_by_magic(section.peek(MAGIC_SIZE))
        stream = open_payload(section, compression, name, limit, time_limit=time_limit)
        for member in members(stream):
            yield stream, member


def extract(stream: PayloadStream, member: TarMember, target: Path, start: bytes = b"") -> str:
    """Write a member to a new file; return its SHA-256. `start` was read already, the rest is next in the stream."""
    digest = hashlib.sha256(start)
    with translate_os_errors(target), target.open("xb") as file:
        file.write(start)
        for block in stream.blocks(member.size - len(start), repr(member.name)):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def members(stream: PayloadStream) -> Iterator[TarMember]:
    """Yield the members in order; raise MalformedData if the archive is damaged or truncated.

    The bytes of a member are next in the stream until the next member is requested.
    """
    budget = NameBudget(stream.name)
    texts: dict[str, str] = {}
    extended = headers = 0
    while header := _next_header(stream):
        headers += 1
        limits.MEMBERS.check(headers, stream.name)
        kind, size = header[156:157], _number(header[124:136], "a size in " + stream.name)
        if kind in _LONG_NAMES or kind in _PAX or kind == tarfile.XGLTYPE:
            extended += size
            limits.EXTENDED_HEADER.check(extended, "a member")
            texts.update(_extension(stream, kind, size))
            continue
        member = _member(header, kind, size, texts)
        texts, extended = {}, 0
        budget.spend(member.name, member.target, member.owner, member.group)
        end = stream.position + member.size
        yield member
        stream.skip_to(end + -member.size % tarfile.BLOCKSIZE, member.name[:100])


def _next_header(stream: PayloadStream) -> bytes | None:
    """Return the next header; None at the end, which is zeros and nothing else."""
    offset = stream.position
    header = stream.read(tarfile.BLOCKSIZE)
    if len(header) < tarfile.BLOCKSIZE:
        raise MalformedData(f"{stream.name} is truncated at its end")
    if any(header):
        plain = header[:148] + b" " * 8 + header[156:]
        with suppress(MalformedData):
            checksum = _number(header[148:156], "its checksum")
            if checksum == sum(plain) or checksum == sum(memoryview(plain).cast("b")):  # signed on old systems
                return header
    elif not any(bytes(block).strip(b"\0") for block in stream.rest()):
        return None
    raise MalformedData(f"{stream.name} is damaged at byte {offset:,}")


def _number(field: bytes, name: str) -> int:
    """Return a number in octal digits, or, as in GNU's archives, in base 256."""
    if field[0] & 0x80:
        number = int.from_bytes(field, "big", signed=field[0] == 0xFF)
        return number if field[0] == 0xFF else number - (0x80 << 8 * (len(field) - 1))
    digits = field.split(b"\0", 1)[0].strip()
    return parse_number(digits.decode("latin-1"), name, 8) if digits else 0


def _extension(stream: PayloadStream, kind: bytes, size: int) -> Mapping[str, str]:
    """Return the fields that an extended header sets for the next member; global ones are ignored, as in dpkg."""
    _check_size(size, "an extended header")
    data = b"".join(map(bytes, stream.blocks(size, "an extended header")))
    stream.skip_to(stream.position + -size % tarfile.BLOCKSIZE, "an extended header")
    if kind in _LONG_NAMES:
        return {_LONG_NAMES[kind]: _text(data)}
    return dict(_pax_records(data)) if kind in _PAX else {}


def _pax_records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the records, each a length, a space, a key, `=`, a value and a newline."""
    offset = 0
    while offset < len(data) and data[offset]:
        match = _RECORD.match(data, offset)
        end = offset + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data):
            raise MalformedData("an extended header is damaged")
        key, _, value = data[match.end() : end - 1].partition(b"=")
        yield key.decode("utf-8", "backslashreplace"), value.decode("utf-8", "backslashreplace")
        offset = end


def _member(header: bytes, kind: bytes, size: int, texts: Mapping[str, str]) -> TarMember:
    name = texts.get("path") or _name(header)
    target = texts.get("linkpath") or _text(header[157:257])
    if "size" in texts:
        size = parse_number(texts["size"], "a size in an extended header")
    size = 0 if kind in _WITHOUT_DATA else size
    _check_size(size, repr(name[:100]))
    mtime = _INTEGER.match(texts.get("mtime", ""))
    is_directory = kind == tarfile.DIRTYPE or (kind == tarfile.AREGTYPE and name.endswith("/"))
    is_sparse = any(key.startswith("GNU.sparse.") for key in texts)
    return TarMember(
        name=name.rstrip("/") if is_directory else name,
        kind=FileType.OTHER if is_sparse else FileType.DIR if is_directory else _KINDS.get(kind, FileType.OTHER),
        mode=_number(header[100:108], "a mode") & 0o7777,
        owner=_owner(texts, "uname", header[265:297], "uid", header[108:116]),
        group=_owner(texts, "gname", header[297:329], "gid", header[116:124]),
        mtime=int(mtime[0]) if mtime else _number(header[136:148], "a time"),
        target=target,
        size=size,
    )


def _check_size(size: int, subject: str) -> None:
    if size < 0:
        raise MalformedData(f"{subject} has a negative size")


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _owner(texts: Mapping[str, str], name_key: str, name: bytes, number_key: str, number: bytes) -> str:
    text = texts.get(name_key) or _text(name) or texts.get(number_key) or str(_number(number, "an owner"))
    return sys.intern(text)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
