"""Runs gpg. Passphrases and keys never appear in arguments or logs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.process import CompletedProcess, failed_process, find_program, run

INSTALL_HINT = "Install GnuPG (Debian: apt install gnupg; Fedora: dnf install gnupg2)."
PASSPHRASE_VARIABLE = "KUBEPARCEL_KEY_PASSPHRASE"  # noqa: S105 - a variable's name
_QUIET = ("--batch", "--no-tty", "--no-greeting", "--quiet")
_AGENT_TRIES, _RETRY_SECONDS = 5, 0.2
_MAX_PATH = 80  # a socket's path has at most 107 characters, and gpg-agent appends to it
_NO_PROMPT = re.compile("Inappropriate ioctl for device|No pinentry|Operation cancelled|Timeout")


def read_passphrase() -> str | None:
    """Return the passphrase from the environment or the file that it names; None: ask the agent."""
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE]
    path = os.environ.get(f"{PASSPHRASE_VARIABLE}_FILE")
    if path is None:
        return None
    try:
        return Path(path).expanduser().read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot read {path}, named by {PASSPHRASE_VARIABLE}_FILE ({error.strerror})."
        ) from None


@dataclass(frozen=True)
class GpgHome:
    """A GnuPG home directory; None is the user's own."""

    folder: Path | None

    def run(
        self,
        *arguments: str | Path,
        stdin: str | None = None,
        secret: bool = False,
        check: bool = True,
        passphrase: str | None = None,
    ) -> CompletedProcess:
        """Run gpg; with `secret`, pass it the passphrase of the environment, if there is one."""
        find_program("gpg", INSTALL_HINT)
        if passphrase is None and secret:
            passphrase = read_passphrase()
        argv: list[str | Path] = ["gpg", *_QUIET]
        with nullcontext() if passphrase is None else _passphrase_file(passphrase) as file:
            if file:
                argv += ["--pinentry-mode", "loopback", "--passphrase-file", file]
            completed = run([*argv, *arguments], env=self.environment, stdin=stdin, check=False)
        if check and completed.exit_code:
            raise _error(completed)
        return completed

    def start_agent(self) -> None:
        """Start gpg-agent before gpg runs in parallel: when several start it at once, some fail."""
        for _ in range(_AGENT_TRIES):
            launched = run(["gpgconf", "--launch", "gpg-agent"], env=self.environment, check=False)
            if launched.exit_code == 0:
                return
            time.sleep(_RETRY_SECONDS)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the variables that select this home and English messages."""
        return {"LC_ALL": "C", **({"GNUPGHOME": str(self.folder)} if self.folder else {})}


def _error(completed: CompletedProcess) -> ToolError:
    if "Bad passphrase" in completed.stderr:
        return ToolError(
            "Bad passphrase for the signing key.",
            f"It was read from {PASSPHRASE_VARIABLE} or {PASSPHRASE_VARIABLE}_FILE. "
            f"Output of gpg:\n{completed.stderr.strip()}",
        )
    if _NO_PROMPT.search(completed.stderr):
        return ToolError(
            "The signing key has a passphrase, and gpg-agent has no terminal to prompt on.",
            f"Set {PASSPHRASE_VARIABLE} to the passphrase, or {PASSPHRASE_VARIABLE}_FILE to a file "
            "with it. Or at a terminal: export GPG_TTY=$(tty)",
        )
    return failed_process(completed)


@contextmanager
def _passphrase_file(passphrase: str) -> Iterator[Path]:
    """Write a file that only this user can read; it is deleted when gpg has ended."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - memory, never disk
    descriptor, name = tempfile.mkstemp(prefix="kubeparcel.", dir=folder)
    try:
        os.write(descriptor, passphrase.encode())
        os.close(descriptor)
        yield Path(name)
    finally:
        Path(name).unlink()


def open_home(folder: Path) -> GpgHome:
    """Return a home whose path is short enough for the sockets of its agent.

    A long path is replaced by a symbolic link in the folder for temporary files. The agent keeps
    running, as gpg's agents do: it may have cached a passphrase.
    """
    if len(str(folder)) <= _MAX_PATH:
        return GpgHome(folder)
    links = Path(tempfile.gettempdir(), f"kubeparcel-{os.getuid()}")
    links.mkdir(mode=0o700, exist_ok=True)
    status = links.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigurationError(f"{links} is not a folder that belongs to you alone.", "Remove it and try again.")
    link = links / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    with suppress(FileExistsError):
        link.symlink_to(folder)
    if link.readlink() != folder:
        raise ConfigurationError(f"{link} does not lead to {folder}.", "Remove it and try again.")
    return GpgHome(link)


@contextmanager
def temporary_home() -> Iterator[GpgHome]:
    """Yield an empty home; it is deleted afterwards, and its agent is stopped."""
    with tempfile.TemporaryDirectory(prefix="kp-", ignore_cleanup_errors=True) as folder:
        home = GpgHome(Path(folder))
        try:
            yield home
        finally:
            if shutil.which("gpgconf"):
                run(["gpgconf", "--kill", "all"], env=home.environment, check=False)
