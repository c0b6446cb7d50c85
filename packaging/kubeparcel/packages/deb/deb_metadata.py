"""The apt index entry of a deb, from its control file alone (deb(5), deb-control(5)).

All of publishing reads no more of a deb, so this module stays fast and imports little.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

from kubeparcel.packages import limits
from kubeparcel.packages.architectures import DEB_ARCHITECTURES
from kubeparcel.packages.compression import compression_of, decompress
from kubeparcel.packages.deb import ar
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.numbers import parse_number
from kubeparcel.packages.relations import PACKAGE_NAME

_VERSION = re.compile(r"(?:[0-9]{1,9}:)?[0-9A-Za-z][0-9A-Za-z.+~-]*")
_TAR_BLOCK = 512
_INDEX_FIELDS = re.compile(
    r"^(?:Filename|Size|MD5sum|SHA1|SHA256|SHA512|Status|Conffiles)\s*:.*\n(?:[ \t].*\n)*", re.MULTILINE | re.IGNORECASE
)
_FIELD = re.compile(r"^([!-9;-~]+)[ \t]*:[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)


def head_length(head: bytes) -> int:
    """Return how many bytes precede the payload; 0 if `head` is too short to know. Raises MalformedData."""
    if not head.startswith(ar.MAGIC):
        raise MalformedData("it is not a deb")
    for member in ar.iterate_members(io.BytesIO(head)):
        if member.name.startswith("control.tar"):
            limits.CONTROL.check(member.size, member.name)
            return member.end + member.size % 2 + ar.HEADER_SIZE
    return 0


def control_text(head: bytes, size: int) -> str:
    """Return the control file from the first bytes of a deb of `size` bytes. Raises MalformedData."""
    members = ar.members(io.BytesIO(head))
    if len(members) < 3 or members[0].name != "debian-binary":
        raise MalformedData("it is truncated, or not a deb")
    _, control, payload = members[:3]
    if not payload.name.startswith("data.tar"):
        raise MalformedData(f"its third member is {payload.name!r}, expected data.tar")
    if payload.end > size:
        raise MalformedData(f"it is truncated: {payload.end - size:,} bytes are missing")
    compression = compression_of(control.name, "control.tar")
    packed = head[control.start : control.end]
    archive = decompress(packed, compression, control.name, limits.CONTROL)
    text = _control_file(archive).decode("utf-8", "replace")
    return text.replace("\r\n", "\n").strip("\n") + "\n"


def _control_file(archive: bytes) -> bytes:
    """Return the file `control` of a tar archive, ten times faster than tarfile does."""
    offset = 0
    while offset + _TAR_BLOCK <= len(archive) and archive[offset]:
        name = archive[offset : offset + 100].split(b"\0", 1)[0]
        digits = archive[offset + 124 : offset + 136].strip(b" \0") or b"0"
        size = parse_number(digits.decode("latin-1"), "a size in its control archive", 8)
        start = offset + _TAR_BLOCK
        if name.removeprefix(b"./") == b"control" and archive[offset + 156] in b"0\0":
            data = archive[start : start + size]
            if len(data) < size:
                raise MalformedData("its control archive is truncated")
            limits.CONTROL_FILE.check(size, "its control file")
            return data
        offset = start + -(-size // _TAR_BLOCK) * _TAR_BLOCK
    raise MalformedData("its control archive has no control file")


def parse_fields(text: str) -> Mapping[str, str]:
    """Return the fields of a control file or a stanza, by their names in lower case."""
    return {name.lower(): value.rstrip() for name, value in _FIELD.findall(text)}


def identity(fields: Mapping[str, str]) -> tuple[str, str, str]:
    """Return name, version and architecture; raise MalformedData for invalid ones."""
    name, version, arch = (fields.get(f, "") for f in ("package", "version", "architecture"))
    if not PACKAGE_NAME.fullmatch(name):
        raise MalformedData(f"its Package field {name!r} is invalid")
    if not _VERSION.fullmatch(version):
        raise MalformedData(f"its Version field {version!r} is invalid")
    if arch not in DEB_ARCHITECTURES:
        raise MalformedData(f"its Architecture field {arch!r} is unknown to dpkg")
    return name, version, arch


def dependencies(fields: Mapping[str, str]) -> str:
    """Return Pre-Depends and Depends as one list."""
    relations = (fields.get("pre-depends", ""), fields.get("depends", ""))
    return ", ".join(" ".join(relation.split()) for relation in relations if relation)


def index_stanza(text: str, path: str, size: int, sha256: str) -> str:
    """Return the deb's stanza in Packages; fields that belong to the index are replaced."""
    own_fields = _INDEX_FIELDS.sub("", text)
    return f"{own_fields}Filename: {path}\nSize: {size}\nSHA256: {sha256}\n"


def pool_path(name: str, version: str, arch: str) -> str:
    """Return the path in Debian's pool layout; file names have no epoch."""
    prefix = name[:4] if name.startswith("lib") and len(name) > 3 else name[0]
    plain = version.partition(":")[2] or version
    return f"pool/main/{prefix}/{name}/{name}_{plain}_{arch}.deb"
