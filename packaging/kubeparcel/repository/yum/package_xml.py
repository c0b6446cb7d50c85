"""An rpm's three pieces of XML in a yum repository: primary, filelists, other (as createrepo_c)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from kubeparcel.packages.rpm.rpm_metadata import Header, Headers
from kubeparcel.repository.yum.xml_text import attribute, text

_SENSE = {2: "LT", 4: "GT", 8: "EQ", 10: "LE", 12: "GE"}
_PRE = 0x1640  # prereq, script_pre, script_post: `pre="1"` (rpmds.h)
_RPMLIB = 1 << 24
_GHOST = 64
_DIR = 0o040000
_RELATIONS = (
    ("provides", 1047, 1112, 1113),
    ("requires", 1049, 1048, 1050),
    ("conflicts", 1054, 1053, 1055),
    ("obsoletes", 1090, 1114, 1115),
    ("suggests", 5049, 5051, 5050),
    ("enhances", 5055, 5057, 5056),
    ("recommends", 5046, 5048, 5047),
    ("supplements", 5052, 5054, 5053),
)
_TEXTS = (("license", 1014), ("vendor", 1011), ("group", 1016), ("buildhost", 1007))


class Pieces(NamedTuple):
    """The XML of one package."""

    primary: str
    filelists: str
    other: str


def _version(evr: str) -> str:
    """`1:2.3-4` as attributes."""
    epoch, _, rest = evr.rpartition(":")
    version, _, release = rest.partition("-")
    return f'epoch="{epoch or 0}" ver="{attribute(version)}" rel="{attribute(release)}"'


class _Files(NamedTuple):
    names: list[str]
    tags: list[str]


def _files(main: Header) -> _Files:
    folders, bases, places = main.get(1118), main.get(1117), main.get(1116)
    names = [folders[i] + base for i, base in zip(places, bases, strict=True)]
    names = names or list(main.get(1027))
    flags, modes = main.get(1037) or (0,) * len(names), main.get(1030) or (0,) * len(names)
    tags = []
    for name, flag, mode in zip(names, flags, modes, strict=False):
        kind = ' type="ghost"' if flag & _GHOST else ""
        kind = ' type="dir"' if mode & 0o170000 == _DIR else kind
        tags.append(f"<file{kind}>{text(name)}</file>")
    return _Files(names, tags)


def render_entry(found: Headers, evr: str, sha256: str, size: int, place: str) -> Pieces:
    """The XML of an rpm that lies at `place` below the repository."""
    main = found.main
    name, arch = attribute(main.one(1000)), attribute(main.one(1022))
    version = _version(evr)
    files = _files(main)
    head = f'<package pkgid="{sha256}" name="{name}" arch="{arch}">\n  <version {version}/>\n'
    listed = "".join(f"  {tag}\n" for tag in files.tags)
    return Pieces(
        _primary(found, version, sha256, size, place, files),
        f"{head}{listed}</package>\n",
        f"{head}{''.join(_changes(main))}</package>\n",
    )


def _primary(
    found: Headers, version: str, sha256: str, size: int, place: str, files: _Files
) -> str:
    main = found.main
    built = main.one(1006, 0)
    archive = found.signature.one(1007, 0) or found.signature.one(271, 0)
    installed = main.one(1009, 0) or main.one(5009, 0)
    facts = "".join(f"    <rpm:{n}>{text(main.one(t))}</rpm:{n}>\n" for n, t in _TEXTS)
    shown = "".join(
        f"    {tag}\n"
        for name, tag in zip(files.names, files.tags, strict=False)
        if name.startswith("/etc/") or "bin/" in name or name == "/usr/lib/sendmail"
    )
    return (
        f'<package type="rpm">\n  <name>{text(main.one(1000))}</name>\n'
        f"  <arch>{text(main.one(1022))}</arch>\n  <version {version}/>\n"
        f'  <checksum type="sha256" pkgid="YES">{sha256}</checksum>\n'
        f"  <summary>{text(main.one(1004))}</summary>\n"
        f"  <description>{text(main.one(1005))}</description>\n"
        f"  <packager>{text(main.one(1015))}</packager>\n  <url>{text(main.one(1020))}</url>\n"
        f'  <time file="{built}" build="{built}"/>\n'
        f'  <size package="{size}" installed="{installed}" archive="{archive}"/>\n'
        f'  <location href="{attribute(place)}"/>\n  <format>\n{facts}'
        f"    <rpm:sourcerpm>{text(main.one(1044))}</rpm:sourcerpm>\n"
        f'    <rpm:header-range start="{main.start}" end="{main.end}"/>\n'
        f"{''.join(_relations(main))}{shown}  </format>\n</package>\n"
    )


def _relations(main: Header) -> Iterator[str]:
    for kind, names, flags, versions in _RELATIONS:
        if names not in main.rows:
            continue
        rows = zip(main.get(names), main.get(flags), main.get(versions), strict=False)
        entries = dict.fromkeys(
            _entry(name, flag, version, kind)
            for name, flag, version in rows
            if not (kind == "requires" and (flag & _RPMLIB or name.startswith("rpmlib(")))
        )
        if entries:
            yield f"    <rpm:{kind}>\n{''.join(entries)}    </rpm:{kind}>\n"


@functools.lru_cache(10_000)
def _entry(name: str, flag: int, version: str, kind: str) -> str:
    sense = _SENSE.get(flag & 14)
    more = f' flags="{sense}" {_evr(version)}' if sense and version else ""
    pre = ' pre="1"' if kind == "requires" and flag & _PRE else ""
    return f'      <rpm:entry name="{attribute(name)}"{more}{pre}/>\n'


def _evr(version: str) -> str:
    epoch, _, rest = version.rpartition(":")
    plain, dash, release = rest.partition("-")
    more = f' rel="{attribute(release)}"' if dash else ""
    return f'epoch="{epoch or 0}" ver="{attribute(plain)}"{more}'


def _changes(main: Header) -> Iterator[str]:
    rows = list(zip(main.get(1080), main.get(1081), main.get(1082), strict=False))[:10]
    for when, author, said in reversed(rows):
        yield f'  <changelog author="{attribute(author)}" date="{when}">{text(said)}</changelog>\n'
