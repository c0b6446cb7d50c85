"""Runs gpg. Passphrases and keys never appear in arguments or logs."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.paths import user_path
from kubeparcel.process import CompletedProcess, failed_process, find_program, kill_process, run, start_interactive
from kubeparcel.repository.signing.secret_folder import private_folder, secret_folder

INSTALL_HINT = "Install GnuPG (Debian: apt install gnupg; Fedora: dnf install gnupg2)."
PASSPHRASE_VARIABLE = "KUBEPARCEL_KEY_PASSPHRASE"  # noqa: S105 - a variable's name
DIGEST_ALGORITHM = "SHA512"
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
        return user_path(path).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot read {path}, named by {PASSPHRASE_VARIABLE}_FILE ({error.strerror})."
        ) from None


@dataclass(frozen=True)
class GpgHome:
    """A GnuPG home directory; None is the user's own."""

    folder: Path | None

    def run(
        self, *arguments: str | Path, secret: bool = False, check: bool = True, passphrase: str | None = None
    ) -> CompletedProcess:
        """Run gpg; with `secret`, pass it the passphrase of the environment, if there is one, through a pipe."""
        find_program("gpg", INSTALL_HINT)
        if passphrase is None and secret:
            passphrase = read_passphrase()
        with_passphrase = () if passphrase is None else ("--pinentry-mode", "loopback", "--passphrase-fd", "0")
        argv = ("gpg", *_QUIET, *with_passphrase, *arguments)
        completed = run(argv, env=self.environment, stdin=passphrase, check=False)
        if check and completed.exit_code:
            raise signing_error(completed.stderr) or failed_process(completed)
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


@functools.lru_cache(16)
def keygrip(home: GpgHome, fingerprint: str) -> str:
    """Return the name of a key or subkey for the agent. Raises ToolError if gpg does not list it."""
    listing = home.run("--with-colons", "--with-keygrip", "--list-keys", f"{fingerprint}!").stdout
    current = ""
    for fields in (line.split(":") for line in listing.splitlines()):
        if fields[0] == "fpr":
            current = fields[9]
        elif fields[0] == "grp" and current == fingerprint:
            return fields[9]
    raise ToolError(f"gpg does not list the keygrip of {fingerprint}.", INSTALL_HINT)


def signing_error(output: str) -> ToolError | None:
    """Return the error for a signature that failed for want of a passphrase; None for another reason."""
    if "Bad passphrase" in output:
        return ToolError(
            "Bad passphrase for the signing key.",
            f"It was read from {PASSPHRASE_VARIABLE} or {PASSPHRASE_VARIABLE}_FILE. Output of gpg:\n{output.strip()}",
        )
    if _NO_PROMPT.search(output):
        return ToolError(
            "The signing key has a passphrase, and gpg-agent has no terminal to prompt on.",
            f"Set {PASSPHRASE_VARIABLE} to the passphrase, or {PASSPHRASE_VARIABLE}_FILE to a file "
            "with it. Or at a terminal: export GPG_TTY=$(tty)",
        )
    return None


def open_home(folder: Path) -> GpgHome:
    """Return a home whose path is short enough for the sockets of its agent.

    A long path is replaced by a symbolic link in the folder for temporary files. The agent keeps
    running, as gpg's agents do: it may have cached a passphrase.
    """
    if len(str(folder)) <= _MAX_PATH:
        return GpgHome(folder)
    link = private_folder() / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    with suppress(FileExistsError):
        link.symlink_to(folder)
    if link.readlink() != folder:
        raise ConfigurationError(f"{link} does not lead to {folder}.", "Remove it and try again.")
    return GpgHome(link)


@contextmanager
def temporary_home(*, private_keys: bool = False) -> Iterator[GpgHome]:
    """Yield an empty home, which is deleted afterwards.

    Private keys need an agent: this one ends with this process.
    """
    with secret_folder() as folder:
        home = GpgHome(folder)
        with _agent(home) if private_keys else nullcontext():
            yield home


@contextmanager
def _agent(home: GpgHome) -> Iterator[None]:
    """Run an agent for a home until the block ends.

    gpg-agent ends with the command that it starts once its sockets exist (gpg-agent(1), --daemon).
    The command here ends when its input is closed, also by a kill of this process.
    """
    find_program("gpg-agent", INSTALL_HINT)
    command = ("sh", "-c", "echo ready; exec cat")
    with start_interactive(
        ["gpg-agent", "--homedir", str(home.folder), "--quiet", "--daemon", "--", *command]
    ) as agent:
        try:
            if agent.stdout and not agent.stdout.readline():
                raise ToolError(f"gpg-agent cannot be started in {home.folder}.", INSTALL_HINT)
            yield
        finally:
            kill_process(agent)
