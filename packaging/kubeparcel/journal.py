"""What a run did, its messages and commands: for --verbose, and for the log file that a failure leaves."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from kubeparcel.sanitize import printable, redact_url

LOG_NAME = "kubeparcel.log"
MAX_ENTRIES, MAX_ENTRY = 1000, 4000
"""Entries that a log file has, the newest, and characters of each."""

_SECRET_VARIABLES = re.compile(r"PASSPHRASE$|PASSWORD|SECRET|TOKEN|ACCESS_KEY|CACHE_KEY")
_SECRETS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY.*?(-----END [A-Z ]*PRIVATE KEY[A-Z ]*-----|\Z)", re.DOTALL), "***"),
    (re.compile(r"(?i)([?&][\w-]*(?:signature|token|credential|key|secret|sig|password)[\w-]*=)[^&\s'\"]+"), r"\1***"),
    (re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"), "***"),  # a bootstrap token of kubeadm
)

_entries: deque[str] = deque(maxlen=MAX_ENTRIES)
listeners: list[Callable[[str], None]] = []
"""Called with the line of each command that has ended."""


_folder: list[Path] = []


def start() -> None:
    """Forget what was recorded."""
    _entries.clear()
    _folder.clear()
    listeners.clear()


def keep_in(folder: Path) -> None:
    """Set the folder in which a failure from now on leaves its log file."""
    _folder[:] = [folder]


def record(text: str) -> None:
    """Record a message."""
    _entries.append(f"{time.strftime('%H:%M:%S')}  {text[:MAX_ENTRY]}")


def record_command(argv: Sequence[str], exit_code: int, seconds: float, output: str = "") -> None:
    """Record a command that has ended, with the end of its output if it failed, and tell the listeners."""
    line = f"$ {shlex.join(argv)[: MAX_ENTRY // 2]} · exit {exit_code} · {seconds:.2f} s"
    record(f"{line}\n{output[-MAX_ENTRY // 2 :]}" if exit_code and output else line)
    for listener in listeners:
        listener(redact(line))


def redact(text: str) -> str:
    """Return printable text without credentials of URLs, private keys, and values of secret variables."""
    values = [value for name, value in os.environ.items() if _SECRET_VARIABLES.search(name) and len(value) > 3]
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return printable(redact_url(text, "***@"))


def finish(heading: str, ending: str) -> Path | None:
    """Write the log file of a failure and return its path, or None; with an empty `ending`, remove an earlier one."""
    if not _folder:
        return None
    path = _folder[0] / LOG_NAME
    with suppress(OSError):
        if not ending:
            path.unlink(missing_ok=True)
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{LOG_NAME}.{os.getpid()}")
        temporary.write_text(redact("\n".join([heading, "", *_entries, "", ending, ""])), "utf-8")
        temporary.replace(path)
        return path
    return None
