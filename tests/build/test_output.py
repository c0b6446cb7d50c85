"""The output folder: copying packages, checksums, and the lock of the folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.output import clean, lock_output_folder, write_output
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import Busy, DigestError, DiskError
from kubeparcel.model import Arch, Format
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.store import Store
from tests.support.checkout import ROOT
from tests.support.waiting import TIMEOUT


def stored(store: Store, name: str, content: bytes) -> BuiltPackage:
    """Store arbitrary bytes as a built package."""
    package = PackageManifest(
        name, *("1.0.0", "1", Format.DEB, Arch.AMD64, "cni", {}, (), {}), *(0, "fast", (), "note")
    )
    return BuiltPackage(package, store.add_bytes(content), len(content))


def sha256sum(out: Path) -> list[str]:
    """Return the output lines of `sha256sum --check`."""
    process = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=out, capture_output=True, text=True, check=True
    )
    return process.stdout.splitlines()


def test_write_output_copies_packages_and_sha256sum_confirms_the_checksums(store, tmp_path):
    out = tmp_path / "dist"
    changed = write_output([stored(store, "b", b"two"), stored(store, "a", b"one")], store, out)
    assert [path.relative_to(out).as_posix() for path in changed] == [
        "deb/b_1.0.0-1_amd64.deb",
        "deb/a_1.0.0-1_amd64.deb",
    ]
    assert sha256sum(out) == ["deb/a_1.0.0-1_amd64.deb: OK", "deb/b_1.0.0-1_amd64.deb: OK"]
    assert (out / "deb/a_1.0.0-1_amd64.deb").read_bytes() == b"one"
    assert oct((out / "deb/a_1.0.0-1_amd64.deb").stat().st_mode) == "0o100644"


def test_write_output_leaves_unchanged_files_alone(store, tmp_path):
    packages = [stored(store, "a", b"one")]
    write_output(packages, store, tmp_path)
    files = [tmp_path / "deb/a_1.0.0-1_amd64.deb", tmp_path / "SHA256SUMS"]
    before = [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files]
    assert write_output(packages, store, tmp_path) == ()
    assert [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files] == before


def test_write_output_returns_only_changed_packages(store, tmp_path):
    write_output([stored(store, "a", b"one"), stored(store, "b", b"two")], store, tmp_path)
    changed = write_output([stored(store, "a", b"one"), stored(store, "b", b"new")], store, tmp_path)
    assert [path.name for path in changed] == ["b_1.0.0-1_amd64.deb"]
    assert len(sha256sum(tmp_path)) == 2


def test_write_output_replaces_a_file_of_the_same_size_with_other_bytes(store, tmp_path):
    write_output([stored(store, "a", b"one")], store, tmp_path)
    (tmp_path / "deb/a_1.0.0-1_amd64.deb").write_bytes(b"eno")
    assert len(write_output([stored(store, "a", b"one")], store, tmp_path)) == 1
    assert sha256sum(tmp_path) == ["deb/a_1.0.0-1_amd64.deb: OK"]


def test_write_output_replaces_a_file_atomically(store, tmp_path):
    """A reader of the old file, such as a web server, can read it to its end."""
    write_output([stored(store, "a", b"old")], store, tmp_path)
    with (tmp_path / "deb/a_1.0.0-1_amd64.deb").open("rb") as old:
        write_output([stored(store, "a", b"new")], store, tmp_path)
        assert old.read() == b"old"
    assert (tmp_path / "deb/a_1.0.0-1_amd64.deb").read_bytes() == b"new"


def test_checksums_keep_packages_of_earlier_builds_while_their_files_exist(store, tmp_path):
    write_output([stored(store, "a", b"one"), stored(store, "b", b"two")], store, tmp_path)
    write_output([stored(store, "c", b"three")], store, tmp_path)
    assert [line.partition(":")[0] for line in sha256sum(tmp_path)] == [
        *["deb/a_1.0.0-1_amd64.deb", "deb/b_1.0.0-1_amd64.deb", "deb/c_1.0.0-1_amd64.deb"]
    ]
    (tmp_path / "deb/b_1.0.0-1_amd64.deb").unlink()
    write_output([stored(store, "c", b"three")], store, tmp_path)
    assert len(sha256sum(tmp_path)) == 2


def test_write_output_replaces_damaged_checksums(store, tmp_path):
    (tmp_path / "SHA256SUMS").write_bytes(b"\xff\xfe no sums\n\n")
    write_output([stored(store, "a", b"one")], store, tmp_path)
    assert sha256sum(tmp_path) == ["deb/a_1.0.0-1_amd64.deb: OK"]


def test_write_output_names_every_package_that_is_damaged_in_the_store(store, tmp_path):
    packages = [stored(store, name, name.encode()) for name in ("a", "b", "c")]
    for package in packages[:2]:
        store.path(package.sha256).write_bytes(b"x")
    with pytest.raises(DigestError) as caught:
        write_output(packages, store, tmp_path / "dist")
    for name in ("a", "b"):
        assert f"deb/{name}_1.0.0-1_amd64.deb: the copy in the store is damaged" in caught.value.message
        assert f"quarantine/deb-{name}_1.0.0-1_amd64.deb-" in caught.value.hint
    assert "deb/c_" not in str(caught.value)
    assert not [path for path in (tmp_path / "dist").rglob("*") if path.is_file()]


def test_clean_removes_only_files_in_the_folders_of_packages(workdir):
    names = ["deb/..", "deb/.hidden", "deb/folder", "deb/a.deb"]
    (workdir / "dist/deb/folder").mkdir(parents=True)
    for name in ("deb/.hidden", "deb/a.deb"):
        (workdir / "dist" / name).write_bytes(b"x")
    (workdir / "dist/SHA256SUMS").write_text("".join(f"{'0' * 64}  {name}\n" for name in names))
    clean(load_settings({}))
    assert {path.name for path in (workdir / "dist/deb").iterdir()} == {".hidden", "folder"}


def test_write_output_reports_a_file_in_place_of_the_folder(store, tmp_path):
    (tmp_path / "dist").write_text("a file")
    with pytest.raises(DiskError, match="A file is in the way of a folder"):
        write_output([stored(store, "a", b"one")], store, tmp_path / "dist")
    assert (tmp_path / "dist").read_text() == "a file"


def test_write_output_leaves_no_partial_file_if_the_disk_is_full(store, tmp_path, monkeypatch):
    package = stored(store, "a", b"one")

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"o")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(DiskError, match="The disk is full"):
        write_output([package], store, tmp_path / "dist")
    assert not [path for path in (tmp_path / "dist").rglob("*") if path.is_file()]


HOLD_LOCK = """
import sys, time
from pathlib import Path
from kubeparcel.build.output import lock_output_folder
with lock_output_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has locked the folder `dist`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, tmp_path / "dist"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "packaging")},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_second_build_is_rejected_with_the_process_and_time_of_the_first(holder, tmp_path):
    with pytest.raises(Busy) as caught, lock_output_folder(tmp_path / "dist"):
        pass
    assert caught.value.message.startswith(f"Another build is using {tmp_path}/dist (process {holder.pid} since ")
    assert caught.value.hint == "Wait for it, or choose another --out."
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_lock_is_released_when_the_other_process_ends(holder, tmp_path, signal_number, capfd):
    holder.send_signal(signal_number)
    holder.wait(TIMEOUT)
    with lock_output_folder(tmp_path / "dist"):
        pass
    assert "Another build" not in capfd.readouterr().err


def test_lock_applies_to_one_folder_only(holder, tmp_path):
    with lock_output_folder(tmp_path / "other"):
        pass


def test_lock_is_released_after_the_block_and_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="oh"), lock_output_folder(tmp_path / "dist"):
        raise ValueError("oh")
    for _ in range(2):
        with lock_output_folder(tmp_path / "dist"):
            assert (tmp_path / "dist").is_dir()
    assert not (tmp_path / "dist/.lock.holder").exists()


def test_lock_reports_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "dist").write_text("")
    with pytest.raises(DiskError, match="A file is in the way of a folder"), lock_output_folder(tmp_path / "dist"):
        pass


def test_lock_creates_nested_folders(tmp_path):
    with lock_output_folder(tmp_path / "a/b/dist"):
        assert (tmp_path / "a/b/dist").is_dir()
