"""Run publishes in processes that strace kills right before a given system call.

Started as a program, this module is the publisher: it reads orders as lines of JSON and forks for
each. strace does the killing, so that no Python code runs afterwards.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kubeparcel import paths
from tests.support.checkout import ROOT

SYSTEM_CALLS = (
    "openat,write,pwrite64,ftruncate,fsync,fdatasync,syncfs,mkdir,rmdir,chmod,"
    "link,linkat,unlink,unlinkat,rename,renameat,renameat2"
)

KillPoint = tuple[str, int]
"""Right before a system call: its name, and the number of calls of that name so far."""


@dataclass(frozen=True)
class InterruptiblePublisher:
    """A running publisher process that accepts orders."""

    orders: IO[str]
    answers: IO[str]

    def publish(self, repo: Path, source: Path, kill_at: KillPoint | None = None) -> bool:
        """Add the packages in a folder; return whether it was killed at that point."""
        return bool(self._order({"repo": str(repo), "source": str(source), "kill_at": kill_at}))

    def remove(self, repo: Path, selector: str, kill_at: KillPoint | None = None) -> bool:
        """Remove packages; return whether it was killed at that point."""
        return bool(self._order({"repo": str(repo), "selector": selector, "kill_at": kill_at}))

    def kill_points(self, **order: str) -> list[KillPoint]:
        """Execute an order, and return all points at which it could have been killed."""
        counts: Counter[str] = Counter()
        points = []
        for name in self._order({**order, "count": True}):
            counts[name] += 1
            points.append((name, counts[name]))
        return points

    def _order(self, order: Mapping[str, Any]) -> Any:
        self.orders.write(json.dumps(order) + "\n")
        self.orders.flush()
        return json.loads(self.answers.readline())


@contextmanager
def start_publisher(environment: Mapping[str, str]) -> Iterator[InterruptiblePublisher]:
    """Start a publisher process with these variables added to the environment."""
    path = os.pathsep.join((str(paths.PACKAGE.parent), str(ROOT)))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.kill_at_syscall"],
        env={**os.environ, **environment, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield InterruptiblePublisher(process.stdin, process.stdout)
        process.stdin.close()


def _execute(order: Mapping[str, Any]) -> None:
    from kubeparcel.console import QuietLog
    from kubeparcel.errors import UsageError
    from kubeparcel.repository import publisher
    from kubeparcel.repository.open_repository import Target

    target = Target(order["repo"])
    if "selector" in order:
        with suppress(UsageError):  # an interrupted removal may already be complete
            publisher.remove([order["selector"]], target, QuietLog())
    else:
        source = Path(order["source"])
        publisher.publish(source, target, QuietLog(), suite="stable", skip_layout_check=True)


def _execute_in_child(order: Mapping[str, Any]) -> None:
    """Stop until strace is attached, then execute the order."""
    code = 1
    try:
        os.kill(os.getpid(), signal.SIGSTOP)
        _execute(order)
        code = 0
    except Exception:  # the parent only sees the exit code
        traceback.print_exc()
    finally:
        os._exit(code)


def _run(order: Mapping[str, Any], trace: Path) -> bool | list[str]:
    """Return whether the child was killed or, with `count`, the names of its system calls."""
    pid = os.fork()
    if pid == 0:
        _execute_in_child(order)
    os.waitpid(pid, os.WUNTRACED)
    count, kill_at = order.get("count", False), order.get("kill_at")
    strace = _attach_strace(pid, kill_at, trace) if count or kill_at else None
    os.kill(pid, signal.SIGCONT)
    _, status = os.waitpid(pid, 0)
    if strace:
        strace.communicate()
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if status and not killed:
        raise RuntimeError(f"the publisher exited with status {status}: {order}")
    return re.findall(r"^(\w+)\(", trace.read_text(), re.MULTILINE) if count else killed


def _attach_strace(pid: int, kill_at: KillPoint | None, trace: Path) -> subprocess.Popen[str]:
    """Start strace and wait until it reports that it is attached."""
    expression = f"inject={kill_at[0]}:signal=KILL:when={kill_at[1]}" if kill_at else f"trace={SYSTEM_CALLS}"
    process = subprocess.Popen(
        ["strace", "-o", trace, "-e", expression, "-e", "signal=none", "-p", str(pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    message = process.stderr.readline()
    if "attached" not in message:
        raise RuntimeError(message)
    return process


def _serve() -> None:
    from kubeparcel.repository import publisher  # noqa: F401 - imported once, before forking

    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        for line in sys.stdin:
            print(json.dumps(_run(json.loads(line), Path(folder, "trace"))), flush=True)


if __name__ == "__main__":
    _serve()
