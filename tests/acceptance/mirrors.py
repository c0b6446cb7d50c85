"""A mirror of upstream with tiny binaries, from which a build takes half a second."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile
from pathlib import Path

MACHINES = {"amd64": 62, "arm64": 183, "ppc64le": 21, "s390x": 22}
RELEASED = 1_784_743_658
"""2026-07-22, the date of 1.36.3."""


def tiny_elf(name: str, arch: str = "amd64") -> bytes:
    """Return a static ELF file that contains only its name."""
    order = ">" if arch == "s390x" else "<"
    ident = b"\x7fELF" + bytes([2, 2 if order == ">" else 1, 1]) + bytes(9)
    rest = (2, MACHINES[arch], 1, 0x400000, 0, 0, 0, 64, 56, 0, 64, 0, 0)
    return ident + struct.pack(order + "HHIQQQIHHHHHH", *rest) + name.encode() + b"\n"


def put(path: Path, data: bytes) -> None:
    """Write a file, and next to it its digest as upstream publishes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    Path(f"{path}.sha256").write_text(hashlib.sha256(data).hexdigest())
    os.utime(path, (RELEASED, RELEASED))


def archive(members: dict[str, bytes]) -> bytes:
    """Return a tar.gz with these members."""
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


def fill(base: Path, version: str = "1.36.3", arches: tuple[str, ...] = ("amd64",)) -> Path:
    """Write upstream's files of one release, with cri-tools 1.36.0 and the CNI plugins 1.9.1; return `base`."""
    release = base / "dl.k8s.io/release"
    release.mkdir(parents=True, exist_ok=True)
    minor = version.rpartition(".")[0]
    (release / "stable.txt").write_text(f"v{version}\n")
    (release / f"stable-{minor}.txt").write_text(f"v{version}\n")
    github = base / "github.com"
    for arch in arches:
        for name in ("kubeadm", "kubelet", "kubectl"):
            data = tiny_elf(f"{name} {version}", arch)
            put(release / f"v{version}/bin/linux/{arch}/{name}", data)
        crictl = github / "kubernetes-sigs/cri-tools/releases/download/v1.36.0"
        put(crictl / f"crictl-v1.36.0-linux-{arch}.tar.gz", archive({"crictl": tiny_elf("crictl", arch)}))
        plugins = {f"./{n}": tiny_elf(n, arch) for n in ("bridge", "host-local", "loopback")}
        cni = github / "containernetworking/plugins/releases/download/v1.9.1"
        put(
            cni / f"cni-plugins-linux-{arch}-v1.9.1.tgz",
            archive({**plugins, "./LICENSE": b"text", "./README.md": b"text"}),
        )
    return base
