"""Small debs and rpms made by hand in microseconds: for repositories with thousands of them."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from kubeparcel.repository.apt.release import compress_gzip
from tests.support.archive_builders import File, Value, ar, cpio, header, member, rpm_file, tar

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
    """Write a deb with one file, `body`; its folder need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
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
    path = folder / f"{name}_{version.rpartition(':')[2]}_{arch}.deb"
    path.write_bytes(ar(*parts))
    return path


def _tar(files: Mapping[str, bytes]) -> bytes:
    folders = sorted({p for name in files for p in Path(name).parents if p.name})
    return tar(
        *(member(f"./{folder}/", kind=tarfile.DIRTYPE, mode=0o755) for folder in folders),
        *(member(name, data) for name, data in files.items()),
    )


def rpm(
    folder: Path,
    name: str,
    version: str = "1.0-1",
    arch: str = "amd64",
    depends: str = "",
    body: bytes = b"x\n",
    summary: str = "a package for tests",
) -> Path:
    """Write an rpm with one file, digests of header and payload, and no signature; its folder need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    epoch, _, rest = version.rpartition(":")
    upstream, _, release = rest.partition("-")
    packed = gzip.compress(cpio(File(f"/usr/share/{name}/file", body)), mtime=0)
    needs = [_need(text) for text in depends.split(", ") if text]
    machine = RPM_ARCHES[arch]
    tags: dict[int, Value] = {
        100: ["C"],
        1000: name,
        1001: upstream,
        1002: release,
        1004: summary,
        1005: "It does nothing.",
        1006: [1_700_000_000],
        1007: "localhost",
        1009: [len(body)],
        1014: "Apache-2.0",
        1016: "Unspecified",
        1020: "https://example.invalid",
        1021: "linux",
        1022: machine,
        1028: [len(body)],
        1030: [0o100644],
        1033: [0],
        1034: [1_700_000_000],
        1035: [hashlib.sha256(body).hexdigest()],
        1036: [""],
        1037: [0],
        1039: ["root"],
        1040: ["root"],
        1044: f"{name}-{rest}.src.rpm",
        1045: [-1 & 0xFFFFFFFF],
        1047: [name],
        1048: [n[1] for n in needs],
        1049: [n[0] for n in needs],
        1050: [n[2] for n in needs],
        1095: [1],
        1096: [1],
        1097: [""],
        1112: [8],
        1113: [version],
        1116: [0],
        1117: ["file"],
        1118: [f"/usr/share/{name}/"],
        1124: "cpio",
        1125: "gzip",
        1126: "9",
        5011: [8],
        5092: [hashlib.sha256(packed).hexdigest()],
        5093: [8],
    }
    if epoch:
        tags[1003] = [int(epoch)]
    main = header({tag: value for tag, value in tags.items() if value != []}, 63)
    signature = header(
        {
            269: hashlib.sha1(main, usedforsecurity=False).hexdigest(),
            273: hashlib.sha256(main).hexdigest(),
            1000: [len(main) + len(packed)],
            1004: hashlib.md5(main + packed, usedforsecurity=False).digest(),
            1007: [len(body)],
        },
        62,
    )
    target = folder / f"{name}-{rest}.{machine}.rpm"
    target.write_bytes(rpm_file(main, packed, signature, f"{name}-{rest}"))
    return target


def _need(text: str) -> tuple[str, int, str]:
    name, _, bound = text.partition(" (")
    operator, _, version = bound.rstrip(")").partition(" ")
    return name, _SENSES.get(operator, 0), version


def five(folder: Path, version: str = "1.36.3", arches: Sequence[str] = ("amd64",)) -> Path:
    """The five packages as the catalog has them, both formats, with their dependencies."""
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
