"""Parse the ar archives that debs are (deb(5), ar(5))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData

MAGIC = b"!<arch>\n"
HEADER_SIZE = 60


class ArMember(NamedTuple):
    """A member: its name, its time in seconds since 1970, and where its bytes are."""

    name: str
    mtime: int
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


def members(file: BinaryIO) -> list[ArMember]:
    """Return the members whose headers are in a file, which may be the start of an archive. Raises MalformedData."""
    return list(iterate_members(file))


def iterate_members(file: BinaryIO) -> Iterator[ArMember]:
    """Yield the members as `members` does."""
    maximum = limits.MEMBERS.maximum
    offset, count = len(MAGIC), 0
    while True:
        file.seek(offset)
        header = file.read(HEADER_SIZE)
        if len(header) < HEADER_SIZE:
            return
        size_text, mtime_text = header[48:58].strip(), header[16:28].strip()
        if header[58:] != b"`\n" or not size_text.isdigit():
            raise MalformedData(f"the archive is damaged at byte {offset:,}")
        start, size = offset + HEADER_SIZE, int(size_text)
        name = header[:16].decode("ascii", "replace").rstrip(" /")
        if count > maximum:
            limits.MEMBERS.check(count, "the archive")
        yield ArMember(name, int(mtime_text) if mtime_text.isdigit() else 0, start, size)
        count += 1
        offset = start + size + size % 2


def check_complete(entries: list[ArMember], size: int) -> None:
    """Raise MalformedData if an archive of `size` bytes ends within a member."""
    last = entries[-1]
    rest = size - last.end
    if rest < 0:
        raise MalformedData(f"it is truncated: {-rest:,} bytes are missing")
    if rest > last.size % 2:
        raise MalformedData("it is truncated in the header of its last member")
