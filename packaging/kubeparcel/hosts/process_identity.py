"""Whose a container is: the process that started it, and whether that process is still there."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, told from any other that has or had its number.

    `host` and `boot` are the machine and its start, `namespace` that of the process numbers,
    `started` the process's start in clock ticks since the boot (proc(5), field 22 of stat).
    """

    hostname: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_time: int

    @classmethod
    @cache
    def current(cls) -> ProcessIdentity:
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot_id(), _pid_namespace(), pid, _start_time(pid) or 0)

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """Read what `str` wrote; None for anything else."""
        parts = text.rsplit("/", 4)
        if len(parts) != 5 or not (parts[3].isdigit() and parts[4].isdigit()):
            return None
        return cls(parts[0], parts[1], parts[2], int(parts[3]), int(parts[4]))

    def __str__(self) -> str:
        return f"{self.hostname}/{self.boot_id}/{self.pid_namespace}/{self.pid}/{self.start_time}"

    @property
    def has_exited(self) -> bool:
        """Whether it is certainly gone; a process that cannot be seen from here counts as alive."""
        if self.hostname != socket.gethostname():
            return False
        if self.boot_id != _boot_id():
            return True
        return self.pid_namespace == _pid_namespace() and _start_time(self.pid) != self.start_time


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()[:8]


def _pid_namespace() -> str:
    return str((_PROC / "self/ns/pid").stat().st_ino)


def _start_time(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
