"""Parse the control archive of a deb: fields, scripts, conffiles, md5sums (deb-control(5))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeparcel.packages import limits
from kubeparcel.packages.deb import tar
from kubeparcel.packages.deb.deb_metadata import parse_fields
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.model import Script
from kubeparcel.packages.numbers import parse_number
from kubeparcel.packages.payload import absolute_path
from kubeparcel.packages.relations import normalize_relation

_SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
_RELATIONS = (
    *("depends", "pre-depends", "recommends", "suggests", "enhances"),
    *("conflicts", "breaks", "replaces", "provides"),
)


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


def parse_control_archive(view: memoryview) -> ControlArchive:
    """Parse a decompressed control.tar; raise MalformedData."""
    archive = tar.members(view, "control.tar")
    texts = {absolute_path(member.name)[1:]: str(member.data, "utf-8", "backslashreplace") for member in archive}
    fields = parse_fields(texts.get("control", ""))
    for name in ("package", "version", "architecture"):
        if not fields.get(name):
            raise MalformedData(f"its control file has no {name.capitalize()} field")
    return ControlArchive(
        fields=fields,
        scripts={name: _script(name, texts[name]) for name in _SCRIPTS if name in texts},
        conffiles=frozenset(_conffile(line) for line in texts.get("conffiles", "").split("\n")),
        md5sums=_md5sums(texts["md5sums"]) if "md5sums" in texts else None,
    )


def _script(name: str, text: str) -> Script:
    limits.SCRIPTLET.check(len(text), name)
    first = text.split("\n", 1)[0]
    return Script(first[2:].strip() if first.startswith("#!") else "", text)


def _conffile(line: str) -> str:
    """Return the path in a line, which may begin with `remove-on-upgrade` (deb-conffiles(5))."""
    return line.strip().removeprefix("remove-on-upgrade ").strip()


def _md5sums(text: str) -> dict[str, str]:
    lines = (line.partition("  ") for line in text.splitlines() if line.strip())
    return {absolute_path(path): digest.lower() for digest, _, path in lines}
