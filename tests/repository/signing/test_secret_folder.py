"""Folders for secrets, and what a kill leaves in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.signing import gpg, secret_folder
from tests.support.programs import write_program
from tests.support.waiting import wait_until

HOLD_HOME = """
import sys
from kubeparcel.repository.signing import gpg
with gpg.temporary_home(private_keys=True) as home:
    home.run("--quick-generate-key", "Tests <tests@example.invalid>", "ed25519", "sign", "1d", passphrase="secret")
    print(home.folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="kpt-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


def agents(home: Path) -> list[int]:
    """Return the processes of the agents of a home."""
    argument, processes = f"--homedir\0{home}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            if argument in (process / "cmdline").read_bytes():
                processes.append(int(process.name))
    return processes


def test_secret_folder_is_private_and_deleted_afterwards(temporary):
    with secret_folder.secret_folder() as folder:
        (folder / "secret").write_text("x")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.parent == temporary / f"kubeparcel-{os.getuid()}"
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        assert secret_folder.remove_abandoned() == 0
        assert folder.exists()
    assert not list(folder.parent.iterdir())


def test_killed_process_leaves_no_agent_and_its_folder_is_removed_later(temporary):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_HOME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        home = Path(process.stdout.readline().strip())
        assert len(agents(home)) == 1
        assert list(home.glob("private-keys-v1.d/*.key"))
        process.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not agents(home))
    assert secret_folder.remove_abandoned() == 1
    assert not list(home.parent.iterdir())


def test_passphrase_is_in_no_file_and_no_argument(temporary, monkeypatch):
    script = f'#!/bin/sh\nfind /dev/shm {temporary} -type f -exec cat {{}} +\necho "$@"; cat >&2\n'
    write_program(temporary / "bin/gpg", script)
    monkeypatch.setenv("PATH", str(temporary / "bin"), prepend=os.pathsep)
    monkeypatch.setenv(gpg.PASSPHRASE_VARIABLE, "correct-horse")
    result = gpg.GpgHome(temporary).run("--sign", secret=True)
    assert "correct-horse" not in result.stdout
    assert "--passphrase-fd 0" in result.stdout
    assert result.stderr == "correct-horse"


@pytest.mark.parametrize("foreign", ["link", "open to others"])
def test_private_folder_that_others_could_read_is_rejected(temporary, foreign):
    folder = temporary / f"kubeparcel-{os.getuid()}"
    if foreign == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(temporary / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o755)
    with pytest.raises(ConfigurationError, match="not a folder that belongs to you alone"):
        secret_folder.private_folder()
