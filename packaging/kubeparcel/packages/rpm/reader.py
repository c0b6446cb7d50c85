"""Read a whole rpm: the metadata of its header, compared with its payload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kubeparcel.model import Format
from kubeparcel.packages.compression import decompress_payload
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection_cache import InspectionCache
from kubeparcel.packages.model import FileType, PackageContents, PackageEntry, Script
from kubeparcel.packages.payload import installed_size_faults
from kubeparcel.packages.relations import STRICT_OPERATORS
from kubeparcel.packages.rpm import digests, files, tags
from kubeparcel.packages.rpm.header import MAGIC, Header, read_headers

__all__ = ["MAGIC", "read"]


def read(file: Path, raw: memoryview, cache: InspectionCache) -> PackageContents:
    """Return the contents of an rpm with the bytes `raw`; raise MalformedData."""
    headers = read_headers(raw, len(raw))
    main = headers.main
    packed = raw[main.end :]
    compression = _compression(main, packed)
    plain, frames = decompress_payload(packed, compression, "its payload")
    entries, faults = files.entries(main, plain, cache)
    verified, broken = digests.check(headers, raw, plain)
    files_hold = not faults and any(entry.kind is FileType.FILE for entry in entries)
    return PackageContents(
        file=file,
        format=Format.RPM,
        size=len(raw),
        **_declared(main),
        entries=tuple(sorted(entries, key=lambda entry: entry.path)),
        compression=compression,
        zstd_frames=frames,
        verified=(*verified, "FILEDIGESTS") if files_hold else verified,
        faults=(*broken, *faults, *_weight(main, entries)),
        signatures=tuple(n for n, tag in tags.SIGNATURES.items() if headers.signature.has(tag)),
    )


def _compression(main: Header, packed: memoryview) -> str:
    """Return the declared compression; if none is declared, rpm assumes gzip or plain cpio."""
    if main.text(tags.PAYLOADFORMAT) not in ("", "cpio"):
        raise MalformedData(f"its payload is {main.text(tags.PAYLOADFORMAT)!r}, not cpio")
    plain = packed[:4].tobytes() == b"0707"
    return main.text(tags.PAYLOADCOMPRESSOR) or ("none" if plain else "gzip")


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
    found = {}
    for relation, numbers in tags.RELATIONS.items():
        names, versions = main.texts(numbers[0]), main.texts(numbers[2])
        rows = zip(names, main.numbers(numbers[1]), versions, strict=True)
        others = [
            f"{name} ({_operator(flags)} {version})" if version else name
            for name, flags, version in rows
            if _is_automatic(main, relation, name, flags) is automatic
        ]
        if others:
            found[relation] = tuple(dict.fromkeys(others))
    return found


def _operator(flags: int) -> str:
    operator = tags.OPERATORS[flags & tags.SENSE_MASK]
    return STRICT_OPERATORS.get(operator, operator)


def _is_automatic(main: Header, relation: str, name: str, flags: int) -> bool:
    itself = main.text(tags.NAME)
    own = relation == "provides" and (name == itself or name.startswith(f"{itself}("))
    return own or bool(flags & tags.SENSE_AUTOMATIC) or name.startswith(("rpmlib(", "config("))


def _scripts(main: Header) -> Iterator[tuple[str, Script]]:
    for name, (text, program) in tags.SCRIPTS.items():
        body, words = main.text(text), main.texts(program)
        if body or words:
            yield name, Script(" ".join(words), body)
    for name, (text, program) in tags.TRIGGERS.items():
        pairs = zip(main.texts(text), main.texts(program), strict=True)
        yield from ((f"{name} {n}", Script(run, body)) for n, (body, run) in enumerate(pairs, 1))


def _weight(main: Header, entries: Sequence[PackageEntry]) -> Iterator[str]:
    found = sum(entry.size for entry in entries if entry.kind is FileType.FILE)
    return installed_size_faults("SIZE", main.number(tags.LONGSIZE, tags.SIZE), found)
