"""Small debs and rpms made by hand in microseconds: for repositories with thousands of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from kubeparcel.repository.apt.release import compress_gzip
from tests.support import archive_builders

RPM_ARCHES = {"amd64": "x86_64", "arm64": "aarch64", "all": "noarch"}
_SENSES = {"<": 2, "<<": 2, ">": 4, ">>": 4, "=": 8, "<=": 10, ">=": 12}


def deb(
    folder: Path,
    name: str,
    version: str = "1.0-1",
    arch: str = "amd64",
    depends: str = "",
    body: bytes = b"x\n",
    fields: str = "",
) -> Path:
    """Write a deb; `body` is its one file."""
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\n"
        "Maintainer: Nobody <nobody@example.invalid>\n"
        + (f"Depends: {depends}\n" if depends else "")
        + f"{fields}Description: a package for tests\n It does nothing.\n"
    )
    parts = (
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", compress_gzip(_tar({"./control": control.encode()}))),
        ("data.tar.gz", compress_gzip(_tar({f"./usr/share/{name}/file": body}))),
    )
    data = archive_builders.ar(*parts)
    path = folder / f"{name}_{version.rpartition(':')[2]}_{arch}.deb"
    path.write_bytes(data)
    return path


def _tar(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in sorted({p for name in files for p in Path(name).parents if p.name}):
            above = tarfile.TarInfo(f"./{folder}/")
            above.type, above.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(above)
        for name, data in files.items():
            row = tarfile.TarInfo(name)
            row.size = len(data)
            archive.addfile(row, io.BytesIO(data))
    return stream.getvalue()


def rpm(
    folder: Path,
    name: str,
    version: str = "1.0-1",
    arch: str = "amd64",
    depends: str = "",
    body: bytes = b"x\n",
    summary: str = "a package for tests",
) -> Path:
    """Write an rpm with one file, digests of header and payload, and no signature."""
    epoch, _, rest = version.rpartition(":")
    upstream, _, release = rest.partition("-")
    path = f"/usr/share/{name}/file"
    packed = gzip.compress(_cpio(f".{path}", body), mtime=0)
    needs = [_need(text) for text in depends.split(", ") if text]
    machine = RPM_ARCHES[arch]
    tags: dict[int, tuple[int, object]] = {
        100: (8, ["C"]),
        1000: (6, name),
        1001: (6, upstream),
        1002: (6, release),
        1004: (9, [summary]),
        1005: (9, ["It does nothing."]),
        1006: (4, [1_700_000_000]),
        1007: (6, "localhost"),
        1009: (4, [len(body)]),
        1014: (6, "Apache-2.0"),
        1016: (9, ["Unspecified"]),
        1020: (6, "https://example.invalid"),
        1021: (6, "linux"),
        1022: (6, machine),
        1028: (4, [len(body)]),
        1030: (3, [0o100644]),
        1033: (3, [0]),
        1034: (4, [1_700_000_000]),
        1035: (8, [hashlib.sha256(body).hexdigest()]),
        1036: (8, [""]),
        1037: (4, [0]),
        1039: (8, ["root"]),
        1040: (8, ["root"]),
        1044: (6, f"{name}-{rest}.src.rpm"),
        1045: (4, [-1 & 0xFFFFFFFF]),
        1047: (8, [name]),
        1048: (4, [n[1] for n in needs]),
        1049: (8, [n[0] for n in needs]),
        1050: (8, [n[2] for n in needs]),
        1095: (4, [1]),
        1096: (4, [1]),
        1097: (8, [""]),
        1112: (4, [8]),
        1113: (8, [version]),
        1116: (4, [0]),
        1117: (8, ["file"]),
        1118: (8, [f"/usr/share/{name}/"]),
        1124: (6, "cpio"),
        1125: (6, "gzip"),
        1126: (6, "9"),
        5011: (4, [8]),
        5092: (8, [hashlib.sha256(packed).hexdigest()]),
        5093: (4, [8]),
    }
    if epoch:
        tags[1003] = (4, [int(epoch)])
    main = _header({tag: row for tag, row in tags.items() if row[1] != []}, 63)
    signature = _header(
        {
            269: (6, hashlib.sha1(main, usedforsecurity=False).hexdigest()),
            273: (6, hashlib.sha256(main).hexdigest()),
            1000: (4, [len(main) + len(packed)]),
            1004: (7, hashlib.md5(main + packed, usedforsecurity=False).digest()),
            1007: (4, [len(body)]),
        },
        62,
    )
    label = f"{name}-{rest}".encode()[:65]
    lead = struct.pack(">4sBBhh66shh16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, label, 1, 5)
    target = folder / f"{name}-{rest}.{machine}.rpm"
    target.write_bytes(lead + signature + b"\0" * (-len(signature) % 8) + main + packed)
    return target


def _need(text: str) -> tuple[str, int, str]:
    name, _, bound = text.partition(" (")
    operator, _, version = bound.rstrip(")").partition(" ")
    return name, _SENSES.get(operator, 0), version


def _header(tags: Mapping[int, tuple[int, object]], region: int) -> bytes:
    rows, store = b"", b""
    for tag, (kind, value) in sorted(tags.items()):
        data, count, align = _encoded(kind, value)
        store += b"\0" * (-len(store) % align)
        rows += struct.pack(">IIII", tag, kind, len(store), count)
        store += data
    number = len(tags) + 1
    first = struct.pack(">IIII", region, 7, len(store), 16)
    store += struct.pack(">IIiI", region, 7, -16 * number, 16)
    return (
        b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", number, len(store)) + first + rows + store
    )


def _encoded(kind: int, value: object) -> tuple[bytes, int, int]:
    if kind in (3, 4) and isinstance(value, Sequence):
        size = {3: 2, 4: 4}[kind]
        return struct.pack(f">{len(value)}{'H' if kind == 3 else 'I'}", *value), len(value), size
    if kind == 7 and isinstance(value, bytes):
        return value, len(value), 1
    texts = [value] if isinstance(value, str) else value
    assert isinstance(texts, list)
    return b"".join(f"{text}\0".encode() for text in texts), len(texts), 1


def _cpio(name: str, body: bytes) -> bytes:
    def member(path: str, mode: int, data: bytes) -> bytes:
        raw = path.encode() + b"\0"
        fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + "".join(f"{n:08x}" for n in fields).encode() + raw
        head += b"\0" * (-len(head) % 4)
        return head + data + b"\0" * (-len(data) % 4)

    return member(name, 0o100644, body) + member("TRAILER!!!", 0, b"")


def five(folder: Path, version: str = "1.36.3", arches: Sequence[str] = ("amd64",)) -> Path:
    """The five packages as the catalog has them, both formats, with their dependencies."""
    folder.mkdir(parents=True, exist_ok=True)
    minor = ".".join(version.split(".")[:2])
    package = version.replace("-", "~")
    for arch in arches:
        for make in (deb, rpm):
            make(folder, "kubeadm", f"{package}-1", arch)
            make(folder, "kubectl", f"{package}-1", arch)
            make(folder, "kubelet", f"{package}-1", arch, "kubernetes-cni (>= 1.2.0), util-linux")
            make(folder, "kubernetes-cni", "1.9.1-1", arch)
            make(folder, "cri-tools", f"{minor}.0-1", arch)
    return folder
