"""Whose a container is: the process that started it, and whether that process is still there."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Owner:
    """A process, told from any other that has or had its number.

    `host` and `boot` are the machine and its start, `namespace` that of the process numbers,
    `started` the process's start in clock ticks since the boot (proc(5), field 22 of stat).
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int

    @classmethod
    @cache
    def current(cls) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _namespace(), pid, _started(pid) or 0)

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Read what `str` wrote; None for anything else."""
        parts = text.rsplit("/", 4)
        if len(parts) != 5 or not (parts[3].isdigit() and parts[4].isdigit()):
            return None
        return cls(parts[0], parts[1], parts[2], int(parts[3]), int(parts[4]))

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.namespace}/{self.pid}/{self.started}"

    @property
    def dead(self) -> bool:
        """Whether it is certainly gone; a process that cannot be seen from here counts as alive."""
        if self.host != socket.gethostname():
            return False
        if self.boot != _boot():
            return True
        return self.namespace == _namespace() and _started(self.pid) != self.started


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()[:8]


def _namespace() -> str:
    return str((_PROC / "self/ns/pid").stat().st_ino)


def _started(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
