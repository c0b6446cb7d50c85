"""Archives that others wrote: what is no bundle is refused, and nothing is written outside the folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from kubeparcel.bundle.unpack import unpack
from kubeparcel.errors import UsageError
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData

TOP = "kubernetes-bundle/"


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 1) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.size = size if kind == tarfile.REGTYPE else 0
    return info


def write(archive: Path, *entries: tarfile.TarInfo) -> Path:
    with tarfile.open(archive, "w") as tar:
        for info in entries:
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return archive


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("../etc/passwd")], "not a plain relative path"),
        ([entry(f"{TOP}../../etc/passwd")], "not a plain relative path"),
        ([entry("/etc/passwd")], "not a plain relative path"),
        ([entry("elsewhere/file")], "is not below kubernetes-bundle/"),
        ([entry("install.sh")], "is not below kubernetes-bundle/"),
        ([entry(f"{TOP}a"), entry(f"{TOP}a")], f"the member '{TOP}a' twice"),
        ([entry(f"{TOP}a"), entry(f"{TOP}./a")], "not a plain relative path"),
        ([entry(f"{TOP}a", tarfile.SYMTYPE, "/etc/passwd")], "symlink, expected a regular file"),
        ([entry(f"{TOP}a", tarfile.LNKTYPE, "/etc/passwd")], "hardlink, expected a regular file"),
        ([entry(f"{TOP}a", tarfile.SYMTYPE, "/tmp"), entry(f"{TOP}a/b")], "expected a regular file"),
        ([entry(f"{TOP}a", tarfile.CHRTYPE)], "expected a regular file"),
        ([entry(f"{TOP}a", tarfile.FIFOTYPE)], "expected a regular file"),
        ([entry(f"{TOP}a", tarfile.DIRTYPE)], "expected a regular file"),
        ([entry(f"{TOP}a"), entry(f"{TOP}a/b")], "both a file and a folder"),
        ([entry(f"{TOP}a/b"), entry(f"{TOP}a")], "both a file and a folder"),
        ([entry(f"{TOP}a\x1b[2J")], "unprintable"),
    ],
)
def test_hostile_members_are_refused(tmp_path, entries, message):
    folder = tmp_path / "scratch"
    folder.mkdir()
    with pytest.raises(MalformedData, match=message):
        unpack(write(tmp_path / "b.tar", *entries), folder)
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert written <= {tmp_path / "b.tar", folder / "a", folder / "a/b"}


def test_truncated_archives_are_refused_at_every_length(tmp_path):
    whole = write(tmp_path / "whole.tar", entry(f"{TOP}a", size=700), entry(f"{TOP}b", size=10)).read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[:3584])
    (tmp_path / "0").mkdir()
    assert [*unpack(tmp_path / "b.tar", tmp_path / "0")] == ["a", "b"]
    for length in (1, 511, 512, 900, 1536, 2048, 2560):
        (tmp_path / "b.tar").write_bytes(whole[:length])
        (tmp_path / str(length)).mkdir()
        with pytest.raises(MalformedData, match=r"truncated|damaged"):
            unpack(tmp_path / "b.tar", tmp_path / str(length))


def test_truncated_zstd_is_refused(tmp_path):
    packed = zstandard.compress(write(tmp_path / "w.tar", entry(f"{TOP}a", size=90_000)).read_bytes())
    (tmp_path / "b.tar.zst").write_bytes(packed[:-5])
    with pytest.raises(MalformedData, match="truncated"):
        unpack(tmp_path / "b.tar.zst", tmp_path)


def test_compression_bombs_stop_at_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "RATIO_FREE", 1 << 20)
    bomb = zstandard.compress(write(tmp_path / "w.tar", entry(f"{TOP}a", size=4 << 20)).read_bytes())
    (tmp_path / "b.tar.zst").write_bytes(bomb)
    with pytest.raises(MalformedData, match="above the limit compression-ratio"):
        unpack(tmp_path / "b.tar.zst", tmp_path)
    assert (tmp_path / "a").stat().st_size <= 3 << 20


@pytest.mark.parametrize("text", [b"", b"hello", b"\x28\xb5\x2f\xfdxxxx"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "b.tar").write_bytes(text)
    with pytest.raises(MalformedData):
        unpack(tmp_path / "b.tar", tmp_path)


def test_a_missing_file_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="is not a file"):
        unpack(tmp_path / "none.tar", tmp_path)
