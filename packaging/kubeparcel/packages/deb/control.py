"""Parse the control archive of a deb: fields, scripts, conffiles, md5sums (deb-control(5))."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kubeparcel.packages import limits, tar
from kubeparcel.packages.deb.deb_metadata import parse_fields
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.limits import Limit
from kubeparcel.packages.member_names import absolute_path
from kubeparcel.packages.model import FileType, Script
from kubeparcel.packages.numbers import parse_number
from kubeparcel.packages.payload_stream import PayloadStream
from kubeparcel.packages.relations import normalize_relation

_SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
_RELATIONS = (
    *("depends", "pre-depends", "recommends", "suggests", "enhances"),
    *("conflicts", "breaks", "replaces", "provides"),
)


_READ: Mapping[str, Limit] = {
    "control": limits.CONTROL_FILE,
    "conffiles": limits.CONTROL,
    "md5sums": limits.CONTROL,
    **dict.fromkeys(_SCRIPTS, limits.SCRIPTLET),
}
"""The files that are read, with their limits."""


@dataclass(frozen=True)
class ControlArchive:
    """The content of a control archive. `fields` are by name in lower case.

    `md5sums` is by path; None if the deb has no such file, as those made by debbuild.
    """

    fields: Mapping[str, str]
    scripts: Mapping[str, Script]
    conffiles: frozenset[str]
    md5sums: Mapping[str, str] | None

    @property
    def installed_size(self) -> int | None:
        """The declared installed size in bytes; None if it is not declared."""
        kibibytes = self.fields.get("installed-size", "")
        return parse_number(kibibytes, "its Installed-Size field") << 10 if kibibytes else None

    @property
    def relations(self) -> Mapping[str, tuple[str, ...]]:
        """The relations to other packages, by field."""
        declared = {name: self.fields[name] for name in _RELATIONS if self.fields.get(name)}
        return {name: tuple(map(normalize_relation, text.split(","))) for name, text in declared.items()}

    @property
    def description(self) -> tuple[str, str]:
        """Summary and long description; a line with only a dot means an empty line."""
        summary, _, rest = self.fields.get("description", "").partition("\n")
        lines = (line[1:].rstrip() for line in rest.split("\n"))
        return summary, "\n".join("" if line == "." else line for line in lines)


def parse_control_archive(stream: PayloadStream) -> ControlArchive:
    """Parse a control archive; raise MalformedData."""
    files: dict[str, bytes] = {}
    for member in tar.members(stream):
        name = absolute_path(member.name)[1:]
        if member.kind is FileType.FILE and name in _READ:
            _READ[name].check(member.size, name)
            files[name] = b"".join(map(bytes, stream.blocks(member.size, name)))
    fields = parse_fields(_text(files.get("control", b"")))
    for name in ("package", "version", "architecture"):
        if not fields.get(name):
            raise MalformedData(f"its control file has no {name.capitalize()} field")
    scripts = {name: _text(files[name]) for name in _SCRIPTS if name in files}
    limits.SCRIPTLET.check(sum(map(len, scripts.values())), "the scriptlets together")
    return ControlArchive(
        fields=fields,
        scripts={name: Script(_interpreter(text), text) for name, text in scripts.items()},
        # A line may begin with `remove-on-upgrade` (deb-conffiles(5)).
        conffiles=frozenset(
            line.removeprefix("remove-on-upgrade ").strip() for line in _lines(files.get("conffiles", b""))
        ),
        md5sums=dict(map(_md5sum, _lines(files["md5sums"]))) if "md5sums" in files else None,
    )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _lines(data: bytes) -> Iterator[str]:
    """Yield the lines that are not empty; raise MalformedData if there are more than a package may have files."""
    count = 0
    for line in io.BytesIO(data):
        if text := _text(line).strip():
            count += 1
            limits.MEMBERS.check(count, "a list of its files")
            yield text


def _interpreter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return first[2:].strip() if first.startswith("#!") else ""


def _md5sum(line: str) -> tuple[str, str]:
    """Return the path and the digest in a line."""
    digest, _, path = line.partition("  ")
    return absolute_path(path), digest.lower()
