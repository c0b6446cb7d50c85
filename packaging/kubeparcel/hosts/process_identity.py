"""Identify a process across reboots, machines and reused process ids."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, distinct from any other that has or had its process id.

    `boot_id` identifies the machine's boot, `pid_namespace` is an inode number, `start_time` is in
    clock ticks since the boot (proc(5), field 22 of stat).
    """

    hostname: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_time: int

    @classmethod
    @cache
    def current(cls) -> ProcessIdentity:
        pid = os.getpid()
        return cls(socket.gethostname(), _boot_id(), _pid_namespace(), pid, _start_time(pid) or 0)

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """Parse what `str` returned; return None for any other text."""
        parts = text.rsplit("/", 4)
        if len(parts) != 5 or not (parts[3].isdigit() and parts[4].isdigit()):
            return None
        return cls(parts[0], parts[1], parts[2], int(parts[3]), int(parts[4]))

    def __str__(self) -> str:
        return f"{self.hostname}/{self.boot_id}/{self.pid_namespace}/{self.pid}/{self.start_time}"

    @property
    def has_exited(self) -> bool:
        """Whether the process has certainly exited; one that is not visible from here has not."""
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
