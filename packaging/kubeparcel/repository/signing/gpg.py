"""gpg as a program: no passphrase and no key ever stands in an argument or a log."""

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
_TRIES, _PAUSE = 5, 0.2
_LONGEST = 80
_UNASKED = re.compile("Inappropriate ioctl for device|No pinentry|Operation cancelled|Timeout")


def read_passphrase() -> str | None:
    """The passphrase the environment gives, itself or in a file; None leaves it to the agent."""
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE]
    named = os.environ.get(f"{PASSPHRASE_VARIABLE}_FILE")
    if named is None:
        return None
    try:
        return Path(named).expanduser().read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(
            f"{PASSPHRASE_VARIABLE}_FILE: {named} cannot be read ({error.strerror})."
        ) from None


@dataclass(frozen=True)
class GpgHome:
    """A folder of gpg's with keys in it; None is the user's own."""

    folder: Path | None

    def run(
        self,
        *words: str | Path,
        stdin: str | None = None,
        secret: bool = False,
        check: bool = True,
        passphrase: str | None = None,
    ) -> CompletedProcess:
        """Run gpg; with `secret` the passphrase of the environment (or `phrase`) is handed over."""
        find_program("gpg", INSTALL_HINT)
        given = passphrase if passphrase is not None else read_passphrase() if secret else None
        argv: list[str | Path] = ["gpg", *_QUIET]
        with nullcontext() if given is None else _handed(given) as file:
            if file:
                argv += ["--pinentry-mode", "loopback", "--passphrase-file", file]
            done = run([*argv, *words], env=self.environment, stdin=stdin, check=False)
        if check and done.exit_code:
            raise _failure(done)
        return done

    def start_agent(self) -> None:
        """Have the agent running before several gpg need it: when they all start it, some fail."""
        for _ in range(_TRIES):
            done = run(["gpgconf", "--launch", "gpg-agent"], env=self.environment, check=False)
            if done.exit_code == 0:
                return
            time.sleep(_PAUSE)

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells gpg where to look, and to speak English."""
        return {"LC_ALL": "C", **({"GNUPGHOME": str(self.folder)} if self.folder else {})}


def _failure(done: CompletedProcess) -> ToolError:
    """The error that gpg's words mean, where it is about a passphrase."""
    if "Bad passphrase" in done.stderr:
        return ToolError(
            "Bad passphrase: the signing key has another one.",
            f"It came from {PASSPHRASE_VARIABLE} or {PASSPHRASE_VARIABLE}_FILE. "
            f"gpg says:\n{done.stderr.strip()}",
        )
    if _UNASKED.search(done.stderr):
        return ToolError(
            "The signing key has a passphrase, and gpg-agent had nowhere to ask for it.",
            f"Give it in {PASSPHRASE_VARIABLE} or in a file that {PASSPHRASE_VARIABLE}_FILE names. "
            "Or at a terminal: export GPG_TTY=$(tty)",
        )
    return failed_process(done)


@contextmanager
def _handed(text: str) -> Iterator[Path]:
    """A file that only we can read, for as long as gpg runs."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - memory, never disk
    handle, name = tempfile.mkstemp(prefix="kubeparcel.", dir=folder)
    try:
        os.write(handle, text.encode())
        os.close(handle)
        yield Path(name)
    finally:
        Path(name).unlink()


def open_home(folder: Path) -> GpgHome:
    """A home by a path that is short enough for its agent's sockets.

    The agent stays when we are done, as gpg's always do: it may know the passphrase.
    """
    if len(str(folder)) <= _LONGEST:
        return GpgHome(folder)
    place = Path(tempfile.gettempdir(), f"kubeparcel-{os.getuid()}")
    place.mkdir(mode=0o700, exist_ok=True)
    facts = place.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise ConfigurationError(f"{place} is not a folder of your own.", "Take it away.")
    short = place / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    with suppress(FileExistsError):
        short.symlink_to(folder)
    if short.readlink() != folder:
        raise ConfigurationError(f"{short} leads elsewhere.", "Take it away.")
    return GpgHome(short)


@contextmanager
def temporary_home() -> Iterator[GpgHome]:
    """An empty home that is gone afterwards, and its agent."""
    with tempfile.TemporaryDirectory(prefix="kp-", ignore_cleanup_errors=True) as folder:
        home = GpgHome(Path(folder))
        try:
            yield home
        finally:
            if shutil.which("gpgconf"):
                run(["gpgconf", "--kill", "all"], env=home.environment, check=False)
