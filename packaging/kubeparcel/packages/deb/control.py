"""The control archive of a deb: fields, scripts, conffiles and checksums (deb-control(5))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kubeparcel.packages.deb import tar
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.model import Script
from kubeparcel.packages.payload import absolute_path

SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
RELATIONS = (
    "depends",
    "pre-depends",
    "recommends",
    "suggests",
    "enhances",
    "conflicts",
    "breaks",
    "replaces",
    "provides",
)
_RELATION = re.compile(
    r"(?P<name>\S+)\s*\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>\S+)\s*\)"
)


@dataclass(frozen=True)
class ControlArchive:
    """What a deb says of itself. `fields` go by their names in small letters.

    `md5sums` is by path; None when the deb has no such file, as those made by debbuild.
    """

    fields: Mapping[str, str]
    scripts: Mapping[str, Script]
    conffiles: frozenset[str]
    md5sums: Mapping[str, str] | None

    @property
    def version(self) -> tuple[int, str, str]:
        """Epoch, version and revision."""
        epoch, _, rest = self.fields["version"].rpartition(":")
        version, dash, revision = rest.rpartition("-")
        return int(epoch or 0), version if dash else rest, revision if dash else ""

    @property
    def installed_size(self) -> int | None:
        """The declared size on disk in bytes, where there is one."""
        kibibytes = self.fields.get("installed-size", "")
        return int(kibibytes) << 10 if kibibytes.isdecimal() else None

    @property
    def relations(self) -> Mapping[str, tuple[str, ...]]:
        """The relations to other packages, by field."""
        found = {name: self.fields[name] for name in RELATIONS if self.fields.get(name)}
        return {name: tuple(map(_relation, text.split(","))) for name, text in found.items()}

    @property
    def description(self) -> tuple[str, str]:
        """Summary and description; a line with only a dot stands for an empty one."""
        summary, _, rest = self.fields.get("description", "").partition("\n")
        lines = (line.removeprefix(" ") for line in rest.splitlines())
        return summary, "\n".join("" if line == "." else line for line in lines)


def read(view: memoryview) -> ControlArchive:
    """Read the unpacked control.tar; raises Malformed."""
    archive = tar.members(view, "control.tar")
    files = {absolute_path(member.name)[1:]: member.data.tobytes() for member in archive}
    texts = {name: data.decode("utf-8", "backslashreplace") for name, data in files.items()}
    fields = _fields(texts.get("control", ""))
    for name in ("package", "version", "architecture"):
        if not fields.get(name):
            raise MalformedData(f"its control file has no {name.capitalize()}")
    return ControlArchive(
        fields=fields,
        scripts={name: _script(texts[name]) for name in SCRIPTS if name in texts},
        conffiles=frozenset(_conffile(line) for line in texts.get("conffiles", "").split("\n")),
        md5sums=_md5sums(texts["md5sums"]) if "md5sums" in texts else None,
    )


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in text.strip("\n").split("\n"):
        if line.startswith((" ", "\t")) and name:
            fields[name] += f"\n{line[:1].replace(chr(9), ' ')}{line[1:].rstrip()}"
        else:
            key, _, value = line.partition(":")
            name = key.strip().lower()
            fields[name] = value.strip()
    return fields


def _relation(text: str) -> str:
    """Alternatives and single relations with the usual spaces: `a (>= 1) | b`."""
    parts = (" ".join(part.split()) for part in text.split("|"))
    return " | ".join(_RELATION.sub(r"\g<name> (\g<operator> \g<version>)", part) for part in parts)


def _script(text: str) -> Script:
    first = text.split("\n", 1)[0]
    return Script(first[2:].strip() if first.startswith("#!") else "", text)


def _conffile(line: str) -> str:
    """The path of a line; `remove-on-upgrade` may stand before it (deb-conffiles(5))."""
    return line.strip().removeprefix("remove-on-upgrade ").strip()


def _md5sums(text: str) -> dict[str, str]:
    lines = (line.partition("  ") for line in text.splitlines() if line.strip())
    return {absolute_path(path): digest.lower() for digest, _, path in lines}
