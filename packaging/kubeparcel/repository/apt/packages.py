"""Read Packages, the index of an apt suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kubeparcel.model import Format
from kubeparcel.packages import limits
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.numbers import parse_number
from kubeparcel.repository.package import Package
from kubeparcel.repository.storage.base import check_path

_BLANK_LINE = b"\n\n"


def stanzas(name: str, blocks: Iterable[bytes]) -> Iterator[Mapping[str, str]]:
    """Yield the fields of each stanza, by their names in lower case. Stanzas are separated by blank lines.

    Raises LimitExceeded for too many, or a too long one.
    """
    rest, count = b"", 0
    for block in blocks:
        *complete, rest = (rest + block).split(_BLANK_LINE)
        limits.CONTROL_FILE.check(len(rest), f"an entry in {name}")
        for stanza in complete:
            if stanza.strip():
                count += 1
                yield _fields(name, stanza, count)
    if rest.strip():
        yield _fields(name, rest, count + 1)


def _fields(name: str, stanza: bytes, count: int) -> Mapping[str, str]:
    limits.CONTROL_FILE.check(len(stanza), f"an entry in {name}")
    limits.INDEX_ENTRIES.check(count, name)
    return deb_metadata.parse_fields(stanza.decode("utf-8", "replace"))


def parse_entry(fields: Mapping[str, str]) -> Package:
    """Return the package of a stanza; its digest is a SHA-256, or else a SHA-512.

    Raises KeyError naming a missing field, and MalformedData or ConfigurationError for an invalid one.
    """
    identity = deb_metadata.identity(fields)
    path = check_path(fields["filename"].removeprefix("./"))
    size = parse_number(fields["size"], "its Size field")
    digest = fields.get("sha256") or fields["sha512"]
    return Package(Format.DEB, *identity, digest, size, digest, deb_metadata.dependencies(fields), path)
