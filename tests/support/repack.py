"""Faults in finished packages that nfpm cannot produce: changed bytes, missing members."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import zstandard

from kubeparcel.packages.deb import ar
from tests.support import archive_builders

ZSTD = b"\x28\xb5\x2f\xfd"


def _unpacked(data: bytes | memoryview) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
        return bytes(stream.read())


def _change_deb(file: Path, member: str, change: Callable[[bytes], bytes]) -> None:
    """Replace the bytes of a member of a deb."""
    data = file.read_bytes()
    entries = ar.members(io.BytesIO(data))
    members = [(entry.name, data[entry.start : entry.end]) for entry in entries]
    changed = ((n, change(data) if n.startswith(member) else data) for n, data in members)
    file.write_bytes(archive_builders.ar(*changed, mtime=entries[0].mtime))


def change_bytes(file: Path) -> None:
    """Change the payload without its declared digests."""

    def changed(packed: bytes) -> bytes:
        plain = _unpacked(packed)
        assert b"#compdef kubectl" in plain
        plain = plain.replace(b"#compdef kubectl", b"#compdef KUBECTL")
        return zstandard.compress(plain, level=-10)  # a shorter rpm would count as truncated

    if file.suffix == ".deb":
        _change_deb(file, "data.tar", changed)
    else:
        raw = file.read_bytes()
        start = raw.index(ZSTD)
        file.write_bytes(raw[:start] + changed(raw[start:]))


def split_frames(file: Path) -> None:
    """Split the payload into two zstd frames, as parallel compressors do."""

    def changed(packed: bytes) -> bytes:
        plain = _unpacked(packed)
        return zstandard.compress(plain[:1000]) + zstandard.compress(plain[1000:])

    _change_deb(file, "data.tar", changed)


def remove_md5sums(file: Path) -> None:
    """Remove md5sums, which the official debs lack too."""

    def changed(packed: bytes) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(packed)) as old:
            kept = [(m, old.extractfile(m)) for m in old if "md5sums" not in m.name]
            target = io.BytesIO()
            with tarfile.open(fileobj=target, mode="w:gz") as new:
                for member, data in kept:
                    new.addfile(member, data)
        return target.getvalue()

    _change_deb(file, "control.tar", changed)


def truncate(file: Path) -> None:
    """Cut off the end of the file."""
    file.write_bytes(file.read_bytes()[:-200])


def rename(file: Path) -> None:
    """Rename the file to another version."""
    file.rename(file.with_name(file.name.replace("1.36.3", "1.36.4")))
