"""Publishes in processes that are killed at their n-th system call that changes anything.

Run as a program it is the one that publishes: it reads orders, lines of JSON, and forks for each.
strace does the killing, so that the blow falls between two system calls and nowhere softer.
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

CALLS = (
    "openat,write,pwrite64,ftruncate,fsync,fdatasync,syncfs,mkdir,rmdir,chmod,"
    "link,linkat,unlink,unlinkat,rename,renameat,renameat2"
)
ROOT = Path(__file__).parents[2]

KillPoint = tuple[str, int]
"""Right before a system call: its name, and how many of that name there were with it."""


@dataclass(frozen=True)
class InterruptiblePublisher:
    """The program that publishes, waiting for orders."""

    orders: IO[str]
    answers: IO[str]

    def publish(self, repo: Path, source: Path, at: KillPoint | None = None) -> bool:
        """Add the packages of a folder; whether it was killed at that point."""
        return bool(self._order({"repo": str(repo), "source": str(source), "at": at}))

    def remove(self, repo: Path, word: str, at: KillPoint | None = None) -> bool:
        """Take packages out; whether it was killed at that point."""
        return bool(self._order({"repo": str(repo), "word": word, "at": at}))

    def points(self, **order: str) -> list[KillPoint]:
        """Do what is ordered, and give all the points that it came by."""
        counts: Counter[str] = Counter()
        found = []
        for name in self._order({**order, "count": True}):
            counts[name] += 1
            found.append((name, counts[name]))
        return found

    def _order(self, order: Mapping[str, Any]) -> Any:
        self.orders.write(json.dumps(order) + "\n")
        self.orders.flush()
        return json.loads(self.answers.readline())


@contextmanager
def start_publisher(environment: Mapping[str, str]) -> Iterator[InterruptiblePublisher]:
    """A running one, with this environment added to ours."""
    path = os.pathsep.join((str(paths.PACKAGE.parent), str(ROOT)))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.repository.crash_injection"],
        env={**os.environ, **environment, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield InterruptiblePublisher(process.stdin, process.stdout)
        process.stdin.close()


def _work(order: Mapping[str, Any]) -> None:
    from kubeparcel.console import QuietLog
    from kubeparcel.errors import UsageError
    from kubeparcel.repository import publisher
    from kubeparcel.repository.publisher import Target

    target = Target(order["repo"])
    if "word" in order:
        with suppress(UsageError):  # killed when all was done: there is no such package any more
            publisher.remove([order["word"]], target, QuietLog())
    else:
        publisher.publish(
            Path(order["source"]), target, QuietLog(), suite="stable", skip_layout_check=True
        )


def _child(order: Mapping[str, Any]) -> None:
    """Stop until somebody watches, then publish."""
    code = 1
    try:
        os.kill(os.getpid(), signal.SIGSTOP)
        _work(order)
        code = 0
    except Exception:  # nobody above would tell of it
        traceback.print_exc()
    finally:
        os._exit(code)


def _outcome(order: Mapping[str, Any], trace: Path) -> bool | list[str]:
    pid = os.fork()
    if pid == 0:
        _child(order)
    os.waitpid(pid, os.WUNTRACED)
    counting, at = order.get("count", False), order.get("at")
    watching = _watch(pid, at, trace) if counting or at else None
    os.kill(pid, signal.SIGCONT)
    _, status = os.waitpid(pid, 0)
    if watching:
        watching.communicate()
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if status and not killed:
        raise RuntimeError(f"publishing ended with {status}: {order}")
    return re.findall(r"^(\w+)\(", trace.read_text(), re.MULTILINE) if counting else killed


def _watch(pid: int, at: KillPoint | None, trace: Path) -> subprocess.Popen[str]:
    """A strace at work: its first words say that it is."""
    what = f"inject={at[0]}:signal=KILL:when={at[1]}" if at else f"trace={CALLS}"
    process = subprocess.Popen(
        ["strace", "-o", trace, "-e", what, "-e", "signal=none", "-p", str(pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = process.stderr.readline()
    if "attached" not in said:
        raise RuntimeError(said)
    return process


def _serve() -> None:
    from kubeparcel.repository import publisher  # noqa: F401 - before forking, for speed

    with tempfile.TemporaryDirectory(prefix="strike-") as folder:
        for line in sys.stdin:
            print(json.dumps(_outcome(json.loads(line), Path(folder, "trace"))), flush=True)


if __name__ == "__main__":
    _serve()
