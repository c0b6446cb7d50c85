"""Render the entries of an RPM in primary, filelists and other, as createrepo_c does."""

from __future__ import annotations

import functools
import html
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

from kubeparcel.packages.rpm import tags
from kubeparcel.packages.rpm.header import Header, Headers
from kubeparcel.packages.rpm.rpm_metadata import file_paths
from kubeparcel.repository.package_cache import IndexEntry

_RELATIONS = {
    "provides": tags.RELATIONS["provides"],
    "requires": tags.RELATIONS["depends"],
    "conflicts": tags.RELATIONS["conflicts"],
    "obsoletes": tags.RELATIONS["obsoletes"],
    "suggests": tags.RELATIONS["suggests"],
    "enhances": tags.RELATIONS["enhances"],
    "recommends": tags.RELATIONS["recommends"],
    "supplements": tags.RELATIONS["supplements"],
}
_FORMAT_FIELDS = {"license": tags.LICENSE, "vendor": tags.VENDOR, "group": tags.GROUP, "buildhost": tags.BUILDHOST}
_CHANGELOG_ENTRIES = 10
_INVALID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class _File(NamedTuple):
    path: str
    element: str


def render_entry(headers: Headers, evr: str, sha256: str, size: int, path: str) -> IndexEntry:
    """Return the entry of an RPM of `size` bytes at `path`, relative to the yum repository."""
    main = headers.main
    version = f"<version {evr_attributes(evr)}/>"
    files = list(_files(main))
    name, arch = xml_attribute(main.text(tags.NAME)), xml_attribute(main.text(tags.ARCH))
    start = f'<package pkgid="{sha256}" name="{name}" arch="{arch}">\n  {version}\n'
    listed = "".join(f"  {file.element}\n" for file in files)
    return IndexEntry(
        _primary(headers, version, sha256, size, path, files),
        f"{start}{listed}</package>\n",
        f"{start}{''.join(_changelog(main))}</package>\n",
    )


def _primary(headers: Headers, version: str, sha256: str, size: int, path: str, files: list[_File]) -> str:
    main, signature = headers.main, headers.signature
    build_time = main.number(tags.BUILDTIME) or 0
    archive = signature.number(tags.SIG_PAYLOADSIZE, tags.SIG_LONGPAYLOADSIZE) or 0
    installed = main.number(tags.SIZE, tags.LONGSIZE) or 0
    fields = "".join(
        f"    <rpm:{name}>{xml_text(main.text(tag))}</rpm:{name}>\n" for name, tag in _FORMAT_FIELDS.items()
    )
    listed = "".join(f"    {file.element}\n" for file in files if _in_primary(file.path))
    return (
        f'<package type="rpm">\n  <name>{xml_text(main.text(tags.NAME))}</name>\n'
        f"  <arch>{xml_text(main.text(tags.ARCH))}</arch>\n  {version}\n"
        f'  <checksum type="sha256" pkgid="YES">{sha256}</checksum>\n'
        f"  <summary>{xml_text(main.text(tags.SUMMARY))}</summary>\n"
        f"  <description>{xml_text(main.text(tags.DESCRIPTION))}</description>\n"
        f"  <packager>{xml_text(main.text(tags.PACKAGER))}</packager>\n"
        f"  <url>{xml_text(main.text(tags.URL))}</url>\n"
        f'  <time file="{build_time}" build="{build_time}"/>\n'
        f'  <size package="{size}" installed="{installed}" archive="{archive}"/>\n'
        f'  <location href="{xml_attribute(path)}"/>\n  <format>\n{fields}'
        f"    <rpm:sourcerpm>{xml_text(main.text(tags.SOURCERPM))}</rpm:sourcerpm>\n"
        f'    <rpm:header-range start="{main.start}" end="{main.end}"/>\n'
        f"{''.join(_relations(main))}{listed}  </format>\n</package>\n"
    )


def _in_primary(path: str) -> bool:
    """Whether primary lists a file: those that packages most often depend on."""
    return path.startswith("/etc/") or "bin/" in path or path == "/usr/lib/sendmail"


def _files(main: Header) -> Iterator[_File]:
    paths = file_paths(main)
    flags = main.numbers(tags.FILEFLAGS) or (0,) * len(paths)
    modes = main.numbers(tags.FILEMODES) or (0,) * len(paths)
    for path, flag, mode in zip(paths, flags, modes, strict=False):
        kind = ' type="ghost"' if flag & tags.FILE_GHOST else ""
        kind = ' type="dir"' if stat.S_ISDIR(mode) else kind
        yield _File(path, f"<file{kind}>{xml_text(path)}</file>")


def _relations(main: Header) -> Iterator[str]:
    for kind, (names, flags, versions) in _RELATIONS.items():
        relations = zip(main.texts(names), main.numbers(flags), main.texts(versions), strict=False)
        entries = dict.fromkeys(
            _relation(name, flag, version, kind)
            for name, flag, version in relations
            if not (kind == "requires" and (flag & tags.SENSE_RPMLIB or name.startswith("rpmlib(")))
        )
        if entries:
            yield f"    <rpm:{kind}>\n{''.join(entries)}    </rpm:{kind}>\n"


@functools.lru_cache(10_000)
def _relation(name: str, flag: int, version: str, kind: str) -> str:
    operator = tags.OPERATORS.get(flag & tags.SENSE_MASK)
    condition = ""
    if operator and version:
        condition = f' flags="{tags.XML_OPERATORS[operator]}" {evr_attributes(version)}'
    pre = ' pre="1"' if kind == "requires" and flag & tags.SENSE_PRE else ""
    return f'      <rpm:entry name="{xml_attribute(name)}"{condition}{pre}/>\n'


def evr_attributes(evr: str, names: tuple[str, str] = ("ver", "rel")) -> str:
    """Return `1:2.3-4` as attributes with the names for version and release; a relation's may have no release."""
    epoch, _, rest = evr.rpartition(":")
    parts = zip(names, rest.split("-", 1), strict=False)
    return f'epoch="{epoch or 0}" ' + " ".join(f'{name}="{xml_attribute(part)}"' for name, part in parts)


def _changelog(main: Header) -> Iterator[str]:
    times, authors = main.numbers(tags.CHANGELOGTIME), main.texts(tags.CHANGELOGNAME)
    entries = list(zip(times, authors, main.texts(tags.CHANGELOGTEXT), strict=False))
    for time, author, text in reversed(entries[:_CHANGELOG_ENTRIES]):
        attributes = f'author="{xml_attribute(author)}" date="{time}"'
        yield f"  <changelog {attributes}>{xml_text(text)}</changelog>\n"


def xml_text(value: str) -> str:
    """Escape text between tags; characters that XML does not allow become `?`."""
    return html.escape(_INVALID.sub("?", value), quote=False)


def xml_attribute(value: str) -> str:
    """Escape the value of an attribute."""
    return xml_text(value).replace('"', "&quot;").replace("\n", "&#10;")
