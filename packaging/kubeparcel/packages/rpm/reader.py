"""Read a whole rpm: the metadata of its header, compared with its payload."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from kubeparcel.model import Format
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection import InspectionCache, installed_size_faults, shorten_faults
from kubeparcel.packages.model import FileType, PackageContents, Script
from kubeparcel.packages.payload_stream import FileSection, open_payload
from kubeparcel.packages.relations import STRICT_OPERATORS, Relation
from kubeparcel.packages.rpm import digests, files, tags
from kubeparcel.packages.rpm.header import MAGIC, Header, read_head, read_headers, rows

__all__ = ["MAGIC", "read"]


def read(path: Path, file: BinaryIO, cache: InspectionCache) -> PackageContents:
    """Return the contents of an rpm; raise MalformedData."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = read_head(file)
    headers = read_headers(head, size)
    main, header = headers.main, head[headers.main.start : headers.main.end]
    hashes = digests.PayloadHashes.of(headers, header)
    packed = FileSection(file, main.end, size - main.end, [*filter(None, (hashes.signed, hashes.packed))])
    compression = _compression(main, packed)
    stream = open_payload(packed, compression, "its payload", limits.UNPACKED, [*filter(None, (hashes.plain,))])
    entries, faults = files.entries(main, stream, cache)
    for _ in stream.rest():
        pass
    packed.drain()
    verified, broken = digests.check(headers, header, hashes, size, stream.position)
    files_match = not faults and any(entry.kind is FileType.FILE for entry in entries)
    declared_size = main.number(tags.LONGSIZE, tags.SIZE)
    return PackageContents(
        file=path,
        format=Format.RPM,
        size=size,
        **_declared(main),
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        compression=compression,
        zstd_frames=stream.zstd_frames,
        verified=(*verified, "FILEDIGESTS") if files_match else verified,
        faults=shorten_faults((*broken, *faults, *installed_size_faults("SIZE", declared_size, entries))),
        signatures=tuple(n for n, tag in tags.SIGNATURES.items() if headers.signature.has(tag)),
    )


def _compression(main: Header, packed: FileSection) -> str:
    """Return the declared compression; if none is declared, rpm assumes gzip or plain cpio."""
    if main.text(tags.PAYLOADFORMAT) not in ("", "cpio"):
        raise MalformedData(f"its payload is {main.text(tags.PAYLOADFORMAT)!r}, not cpio")
    return main.text(tags.PAYLOADCOMPRESSOR) or ("none" if packed.peek(4) == b"0707" else "gzip")


def _declared(main: Header) -> dict[str, Any]:
    """Return the fields of PackageContents that come from the header."""
    return {
        **_identity(main),
        "epoch": main.number(tags.EPOCH) or 0,
        "maintainer": main.text(tags.PACKAGER),
        "vendor": main.text(tags.VENDOR),
        "homepage": main.text(tags.URL),
        "license": main.text(tags.LICENSE),
        "summary": main.text(tags.SUMMARY),
        "description": main.text(tags.DESCRIPTION),
        "section": main.text(tags.GROUP),
        "relations": _relations(main, automatic=False),
        "automatic_relations": _relations(main, automatic=True),
        "scripts": dict(_scripts(main)),
        "build_time": main.number(tags.BUILDTIME) or 0,
        "build_host": main.text(tags.BUILDHOST),
        "has_changelog": main.has(tags.CHANGELOGTIME),
    }


def _identity(main: Header) -> dict[str, str]:
    identity = {
        "name": main.text(tags.NAME),
        "version": main.text(tags.VERSION),
        "revision": main.text(tags.RELEASE),
        "arch": "src" if main.has(tags.SOURCEPACKAGE) else main.text(tags.ARCH),
    }
    for field, text in identity.items():
        if not text:
            raise MalformedData(f"its header has no {field}")
    return identity


def _relations(main: Header, *, automatic: bool) -> Mapping[str, tuple[str, ...]]:
    package = main.text(tags.NAME)
    relations = {}
    count = size = 0
    for kind, (name_tag, flags_tag, version_tag) in tags.RELATIONS.items():
        names, versions = main.texts(name_tag), main.texts(version_tag)
        count, size = count + len(names), size + sum(map(len, names)) + sum(map(len, versions))
        limits.HEADER_VALUES.check(count, "the relations in its header")
        limits.NAMES.check(size, "the relations in its header")
        others = [
            str(_relation(name, flags, version))
            for name, flags, version in rows(name_tag, names, main.numbers(flags_tag), versions)
            if _is_automatic(package, kind, name, flags) is automatic
        ]
        if others:
            relations[kind] = tuple(dict.fromkeys(others))
    return relations


def _relation(name: str, flags: int, version: str) -> Relation:
    if not version:
        return Relation(name)
    operator = tags.OPERATORS.get(flags & tags.SENSE_MASK)
    if operator is None:
        raise MalformedData(f"its relation to {name!r} has a version, but no valid operator")
    return Relation(name, STRICT_OPERATORS.get(operator, operator), version)


def _is_automatic(package: str, kind: str, name: str, flags: int) -> bool:
    own_name = kind == "provides" and (name == package or name.startswith(f"{package}("))
    return own_name or bool(flags & tags.SENSE_AUTOMATIC) or name.startswith(("rpmlib(", "config(", "bundled("))


def _scripts(main: Header) -> Iterator[tuple[str, Script]]:
    size = 0
    for number, (name, script) in enumerate(_all_scripts(main), 1):
        limits.SCRIPTLETS.check(number, "its header")
        size += len(script.body) + len(script.interpreter)
        limits.SCRIPTLET.check(size, "its header")
        yield name, script


def _all_scripts(main: Header) -> Iterator[tuple[str, Script]]:
    for name, (body_tag, interpreter_tag) in tags.SCRIPTS.items():
        body, arguments = main.text(body_tag), main.texts(interpreter_tag)
        if body or arguments:
            yield name, Script(" ".join(arguments), body)
    for name, (body_tag, interpreter_tag) in tags.TRIGGERS.items():
        triggers = rows(body_tag, main.texts(body_tag), main.texts(interpreter_tag))
        for number, (body, interpreter) in enumerate(triggers, 1):
            yield f"{name} {number}", Script(interpreter, body)
