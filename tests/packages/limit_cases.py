"""A crafted input for each limit of the table that is above it."""

from __future__ import annotations

import gzip
import itertools
import os
import struct
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

from kubeparcel.bundle.unpack import unpack
from kubeparcel.console import QuietLog
from kubeparcel.doctor.apt_entries import read_entries
from kubeparcel.doctor.apt_suite import release_entries
from kubeparcel.doctor.consistency import dependent_packages
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.reader import FolderReader, read_limited
from kubeparcel.lock_models import Patch
from kubeparcel.model import Format
from kubeparcel.packages import elf, limits, reader
from kubeparcel.packages.json_document import parse_json
from kubeparcel.packages.limits import Limit
from kubeparcel.packages.payload_stream import plain_blocks
from kubeparcel.repository.apt.packages import stanzas
from kubeparcel.repository.package import Package
from kubeparcel.repository.yum.primary import listed_files
from kubeparcel.repository.yum.xml_elements import iterate_elements
from kubeparcel.sources.archive import unpack_programs
from kubeparcel.sources.http.download import HttpTransport
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.patch_files import store_patches
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken
from kubeparcel.trust import dsse
from kubeparcel.trust.sbom_files import read_sbom
from tests.packages.conftest import read
from tests.support.archive_builders import CONTROL, File, deb, member, rpm, tar
from tests.support.elf_files import Go, elf_of_sections, go_build_info, go_function_table
from tests.support.elf_files import elf as elf_file
from tests.support.web_server import serve_folder

Case = Callable[[Path], object]
TABLE = {name: row for name, row in vars(limits).items() if isinstance(row, Limit)}


def _package(data: bytes) -> Case:
    return lambda folder: read(folder, data)


def _sparse_file(folder: Path) -> object:
    (folder / "package").touch()
    os.truncate(folder / "package", limits.FILE.maximum + 1)
    return reader.read_package(folder / "package")


def _large_sbom(folder: Path) -> object:
    (folder / "a.cdx.json").touch()
    os.truncate(folder / "a.cdx.json", limits.SBOM.maximum + 1)
    return read_sbom(folder / "a.cdx.json")


def _header_counts(rows: int, size: int) -> bytes:
    """Return an rpm whose main header claims these numbers."""
    data = bytearray(rpm(File("/a")))
    struct.pack_into(">II", data, data.index(b"\x8e\xad\xe8\x01", 100) + 8, rows, size)
    return bytes(data)


def _many_values() -> bytes:
    """Return an rpm whose list of modes claims more values than there may be files."""
    data = bytearray(rpm(File("/a"), File("/b")))
    row = data.index(struct.pack(">II", 1030, 3))
    struct.pack_into(">I", data, row + 12, limits.HEADER_VALUES.maximum + 1)
    return bytes(data)


def _elf(**sections: bytes) -> Case:
    data = elf_of_sections({f".{name.replace('_', '.')}": content for name, content in sections.items()})
    return lambda _: elf.read(data)


def _many_sections() -> bytes:
    data = bytearray(elf_file())
    struct.pack_into("<H", data, 60, 0xFF00)
    return bytes(data)


def _slow_clock(folder: Path, case: Case, seconds: int) -> object:
    with mock.patch("kubeparcel.packages.payload_stream.time") as clock:
        clock.thread_time.side_effect = itertools.count(0, seconds)
        return case(folder)


def _bundle(folder: Path) -> object:
    (folder / "bundle.tar").write_bytes(tar(member("kubernetes-bundle/a", b"a")))
    return unpack(folder / "bundle.tar", folder)


def _archive(folder: Path) -> object:
    store = Store(folder / "store")
    return unpack_programs(store, store.add_bytes(tar(member("a", b"a"))), "cni")


def _elements(data: bytes) -> object:
    return list(iterate_elements("primary", [data]))


def _read_file(limit: Limit) -> Case:
    def read(folder: Path) -> object:
        (folder / "file").write_bytes(bytes(limit.default + 1))
        return read_limited(FolderReader(folder), "file", limit)

    return read


def _read_page(name: str, folder: str) -> Case:
    """Read a document or a listing from a server, which is an error of the server."""

    def read(root: Path) -> object:
        (root / folder).mkdir(exist_ok=True)
        (root / folder / name).write_text("<a href='x,y'>" * 10)
        with serve_folder(root) as web:
            reader = HttpReader(web.address)
            return reader.list_folder(folder) if folder else reader.read(name)

    return read


DEPENDENT = Package(Format.DEB, "a", "1", "amd64", "", 1, "", "kubectl, " * 9, "a.deb")
DEB_ENTRY = f"""\
Package: kubelet
Version: 1.36.3-1
Architecture: amd64
Filename: pool/kubelet.deb
Size: 10
SHA256: {"0" * 64}
"""

REPOMD_XML = b'<a xmlns="http://linux.duke.edu/metadata/repo">' + b"<data/>" * 101 + b"</a>"
LARGE_WINDOW = b"\x5d" + struct.pack("<Iq", 1 << 28, -1) + bytes(99)
"""The header of lzma data with a dictionary of 256 MiB."""

ZSTD_FRAME = b"\x28\xb5\x2f\xfd\x20\0\x01\0\0"
"""An empty zstd frame."""

ZSTD_LARGE_WINDOW = b"\x28\xb5\x2f\xfd\x00\x90\x01\0\0"
"""An empty zstd frame with a window of 256 MiB."""


def _download(largest: Limit) -> Case:
    """Download a patch, or any other file."""

    def download(folder: Path) -> None:
        (folder / "site").mkdir()
        (folder / "site/fix.patch").write_bytes(bytes(100))
        with serve_folder(folder / "site") as site, Store(folder / "store").scratch() as scratch:
            patch = Patch("cni", f"{site.address}/fix.patch", "0" * 64)
            if largest is limits.PATCH:
                store_patches([patch], folder, Store(folder / "store"), QuietLog())
            HttpTransport("", RetryPolicy()).copy(patch.location, scratch / "x", lambda *_: None, CancelToken())

    return download


RECORD = Go().sections()[".go.buildinfo"]
CASES: Mapping[str, Case] = {
    "FILE": _sparse_file,
    "UNPACKED": _package(deb(payload=("data.tar.gz", gzip.compress(bytes(3 << 20))))),
    "RATIO": _package(deb(payload=("data.tar.gz", gzip.compress(bytes(66 << 20), 1)))),
    "READING_TIME": lambda folder: _slow_clock(folder, _package(deb(member("./a"))), 10),
    "WINDOW": _package(deb(payload=("data.tar.lzma", LARGE_WINDOW))),
    "ZSTD_BLOCKS": _package(deb(payload=("data.tar.zst", ZSTD_FRAME + b"\x50\x2a\x4d\x18\0\0\0\0" * 20))),
    "NAMES": _package(deb(*(member(f"./{name}/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p") for name in "ab"))),
    "CONFIGURATION": _package(deb(*(member(f"./etc/{name}", bytes(900)) for name in "ab"))),
    "INDEX": lambda _: list(plain_blocks("Packages.gz", [gzip.compress(bytes(3 << 20))])),
    "INDEX_TIME": lambda folder: _slow_clock(folder, lambda _: list(plain_blocks("Packages", [b"a: b\n"])), 20),
    "INDEX_ENTRIES": lambda _: list(stanzas("Packages", [b"a: b\n\n" * 9])),
    "INDEX_ENTRY": lambda _: _elements(b"<a><b>" + b" " * (9 << 20)),
    "INDEX_TEXT": lambda _: read_entries("Packages", [DEB_ENTRY.encode()]),
    "COMPARISONS": lambda _: dependent_packages(frozenset({DEPENDENT})),
    "XML_ELEMENTS": lambda _: _elements(b"<a><b>" + b"<c/>" * 5),
    "XML_DEPTH": lambda _: _elements(b"<a>" * 20),
    "RELEASE": _read_file(limits.RELEASE),
    "RELEASE_FILES": lambda _: release_entries({"sha256": "0 1 a\n0 1 b\n0 1 c\n"}),
    "SIGNATURE": _read_file(limits.SIGNATURE),
    "REPOMD": _read_file(limits.REPOMD),
    "REPOMD_FILES": lambda _: listed_files(REPOMD_XML),
    "DOCUMENT": _read_page("state.json", ""),
    "DOCUMENT_VALUES": _read_page("state.json", ""),
    "ENVELOPE": lambda _: dsse.parse_envelope(b" " * 20, "statement"),
    "LISTING": _read_page("index.html", "folder"),
    "CONTROL": _package(deb(control={"triggers": "a" * (17 << 20)})),
    "CONTROL_FILE": _package(deb(control={"control": CONTROL + " a\n" * (400 << 10)})),
    "SCRIPTLET": _package(deb(control={"postinst": "#!/bin/sh\n" + "#" * (128 << 10)})),
    "SCRIPTLETS": _package(rpm(File("/a"), values={1065: ["exit 0"] * 101, 1092: ["/bin/sh"] * 101})),
    "MEMBERS": _package(rpm(*(File(f"/{name}", b"") for name in "abcdefgh"))),
    "PATH": _package(deb(payload=("data.tar", tar(member("./" + "a" * 5000))))),
    "EXTENDED_HEADER": _package(deb(member("PaxHeader", b"9 a=bcde\n" * 9000, tarfile.XHDTYPE))),
    "HEADER_ROWS": _package(_header_counts(1 << 20, 100)),
    "HEADER_SIZE": _package(_header_counts(10, 1 << 30)),
    "HEADER_VALUES": _package(_many_values()),
    "HEADER_TEXT": _package(rpm(File("/a"), values={1004: "a" * ((1 << 20) + 1)})),
    "SECTIONS": lambda _: elf.read(_many_sections()),
    "ELF_READS": lambda _: elf.read(elf_file(go=Go())),
    "GO_RECORD": _elf(go_buildinfo=go_build_info("dep\ta\tb\n" * (200 << 10))),
    "GO_FILE_TABLE": _elf(go_buildinfo=RECORD, gopclntab=go_function_table("/a" * (5 << 20))),
    "SBOM": _large_sbom,
    "DOWNLOAD": _download(limits.DOWNLOAD),
    "PATCH": _download(limits.PATCH),
    "JSON_DEPTH": lambda _: parse_json(b"[" * 60_000, "a record"),
    "ARCHIVE": _archive,
    "ARCHIVE_TIME": lambda folder: _slow_clock(folder, _archive, 1000),
    "BUNDLE": _bundle,
    "BUNDLE_TIME": lambda folder: _slow_clock(folder, _bundle, 1000),
}
SMALLER = {
    "UNPACKED": 1 << 20,
    "INDEX": 1 << 20,
    "INDEX_ENTRIES": 8,
    "INDEX_TEXT": 10,
    "COMPARISONS": 100,
    "XML_ELEMENTS": 4,
    "RELEASE_FILES": 2,
    "DOCUMENT": 10,
    "DOCUMENT_VALUES": 5,
    "ENVELOPE": 10,
    "LISTING": 10,
    "MEMBERS": 4,
    "ELF_READS": 200,
    "ZSTD_BLOCKS": 10,
    "NAMES": 160,
    "CONFIGURATION": 1000,
    "DOWNLOAD": 99,
    "PATCH": 99,
    "ARCHIVE": 1000,
    "BUNDLE": 1000,
}
"""Limits that a test lowers, as their input would take too long to make."""
