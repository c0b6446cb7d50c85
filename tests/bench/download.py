"""Four 80 MB files from a loopback server, next to curl --parallel and hashlib on two threads."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.figures import Figure

if TYPE_CHECKING:
    from tests.bench.packages import Ground

FILES, SIZE, RUNS = 4, 80_000_000, 5
SERVER = """
import http.server, os, sys

class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def copyfile(self, source, out):
        out.flush()
        self.connection.settimeout(None)
        offset, size = 0, os.fstat(source.fileno()).st_size
        while offset < size:
            offset += os.sendfile(self.connection.fileno(), source.fileno(), offset, size - offset)

os.chdir(sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
FETCH = """
import json, sys, time
from pathlib import Path
from kubeparcel.config import catalog
from kubeparcel.console import QuietLog
from kubeparcel.lock_models import Artifact
from kubeparcel.model import Arch
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store

url, store, digests = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
upstream = Upstream(catalog.load().components, url)
artifacts = [
    Artifact("kubernetes", "kubelet", Arch.AMD64, f"https://dl.k8s.io/f{n}", f"sha256:{d}")
    for n, d in enumerate(digests)
]
started = time.monotonic()
upstream.fetch(artifacts, Store(store), QuietLog())
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1000
print(json.dumps([time.monotonic() - started, peak]))
"""
CURL = """
import hashlib, json, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

url, out, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
out.mkdir()
started = time.monotonic()
words = [w for n in range(count) for w in ("-o", str(out / f"f{n}"), f"{url}/dl.k8s.io/f{n}")]
subprocess.run(["curl", "-s", "--parallel", "--parallel-max", "4", *words], check=True)
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda p: hashlib.file_digest(p.open("rb"), "sha256"), sorted(out.iterdir())))
print(json.dumps([time.monotonic() - started, 0]))
"""


@contextmanager
def served(tree: Path) -> Iterator[str]:
    """The address of a quick server on loopback that has these files."""
    command = [sys.executable, "-c", SERVER, str(tree)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


def once(program: str, *words: object) -> Sequence[float]:
    """Seconds and peak memory (MB) that a measured script says of itself."""
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.strip("[]\n").split(",")
    return float(seconds), float(peak)


def fetched(_: Ground, scratch: Path) -> Iterator[Figure]:
    """Our fetch, the two in turn."""
    tree = scratch / "tree"
    (tree / "dl.k8s.io").mkdir(parents=True)
    digests = []
    for number in range(FILES):
        data = os.urandom(SIZE)
        (tree / f"dl.k8s.io/f{number}").write_bytes(data)
        digests.append(hashlib.sha256(data).hexdigest())
    ours, theirs = [], []
    with served(tree) as url:
        for run in range(RUNS + 1):
            theirs.append(once(CURL, url, scratch / f"curl-{run}", FILES))
            ours.append(once(FETCH, url, scratch / f"store-{run}", *digests))
    seconds = statistics.median(run[0] for run in ours[1:])
    reference = statistics.median(run[0] for run in theirs[1:])
    peak = max(run[1] for run in ours)
    yield Figure(
        "download",
        f"4 files of 80 MB {seconds:.2f} s; curl --parallel, then sha256 {reference:.2f} s",
        f"{seconds / reference:.2f} of the time, {peak:.0f} MB",
        "≤ 1, ≤ 120 MB",
        seconds <= reference and peak <= 120,
    )
