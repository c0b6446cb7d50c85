"""Downloads in several processes, on full and read-only disks, and after a kill."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from kubeparcel.errors import DiskError
from kubeparcel.lock_models import Artifact
from kubeparcel.model import Arch
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.store import Store
from tests.sources.conftest import KUBELET, KUBELET_PATH, publish_kubelet
from tests.support import upstream_site as sites
from tests.support.elf_files import elf_bytes
from tests.support.waiting import TIMEOUT, wait_until

FETCH = """
import sys
from pathlib import Path
from kubeparcel.config import catalog
from kubeparcel.console import QuietLog
from kubeparcel.lock_models import Artifact
from kubeparcel.model import Arch
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store
mirror, store, origin, digest = sys.argv[1:]
artifact = Artifact("kubernetes", "kubelet", Arch.AMD64, origin, digest)
Upstream(catalog.load().components, mirror).fetch([artifact], Store(Path(store)), QuietLog())
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def start_fetch(site, store: Store, artifact: Artifact) -> subprocess.Popen[str]:
    """Start another process that fetches the artifact."""
    argv = [sys.executable, "-c", FETCH, site.url, store.root, artifact.origin, artifact.digest]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def partial_sizes(store: Store) -> list[int]:
    """Return the sizes of partial files."""
    return [path.stat().st_size for path in (store.root / "partial").glob("*")]


def stored_digests(store: Store) -> list[str]:
    return [path.name for path in (store.root / "sha256").glob("*/*")]


def test_two_processes_download_the_same_file_once(site, store):
    artifact, released = publish_kubelet(site, elf_bytes(1_000_000)), threading.Event()

    def slow(handler, data):
        released.wait(TIMEOUT)
        handler.answer(200, data)

    site.faults[KUBELET_PATH] = [slow]
    processes = [start_fetch(site, store, artifact) for _ in range(2)]
    assert wait_until(lambda: len(site.requests_for("/kubelet")) == 1)
    time.sleep(0.5)  # long enough for a second request
    released.set()
    for process in processes:
        _, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, err
    assert len(site.requests_for("/kubelet")) == 1
    assert stored_digests(store) == [artifact.digest.removeprefix("sha256:")]


@pytest.fixture
def halfway(site, store):
    """Yield a process that has received two thirds of a file and waits for the rest, and the artifact."""
    artifact, ended = publish_kubelet(site, elf_bytes(3_000_000)), threading.Event()
    site.faults[KUBELET_PATH] = [sites.stalled(2_000_000, ended)]
    with start_fetch(site, store, artifact) as process:
        try:
            assert wait_until(lambda: sum(partial_sizes(store)) > 1_900_000)
            yield process, artifact
        finally:
            ended.set()
            process.kill()


def test_killed_download_is_resumed(halfway, site, store, upstream, log):
    process, artifact = halfway
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert stored_digests(store) == []
    [size] = partial_sizes(store)
    upstream.fetch([artifact], store, log)
    assert site.requests_for("/kubelet")[-1].headers["Range"] == f"bytes={size}-"
    assert stored_digests(store) == [artifact.digest.removeprefix("sha256:")]
    assert partial_sizes(store) == []


def test_interrupt_ends_a_download_at_once_and_keeps_the_partial_file(halfway, store):
    process, _ = halfway
    [arrived] = partial_sizes(store)
    process.send_signal(signal.SIGINT)
    # If it went on waiting, it would do so until the read timeout.
    _, err = process.communicate(timeout=RetryPolicy().read_timeout / 2)
    assert "KeyboardInterrupt" in err
    [kept] = partial_sizes(store)
    assert arrived <= kept <= 2_000_000


def test_memory_is_independent_of_the_file_size(site, store):
    size, block = 300 << 20, bytes(1 << 20)
    digest_of_file = hashlib.sha256()
    for _ in range(size // len(block)):
        digest_of_file.update(block)

    def big(handler, _):
        handler.answer(200, b"", length=size)
        for _ in range(size // len(block)):
            handler.wfile.write(block)

    site.faults[KUBELET_PATH] = [big]
    digest = f"sha256:{digest_of_file.hexdigest()}"
    process = start_fetch(site, store, Artifact("kubernetes", "kubelet", Arch.AMD64, KUBELET, digest))
    out, err = process.communicate(timeout=5 * TIMEOUT)
    assert process.returncode == 0, err
    assert int(out) * 1024 < size // 2


@contextmanager
def mounted(folder, options: str):
    """Mount a small disk."""
    if os.geteuid():
        pytest.skip("needs root to mount a disk")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.acceptance
def test_full_disk_is_reported_and_the_partial_file_is_kept(site, upstream, log, tmp_path):
    artifact = publish_kubelet(site, elf_bytes(3_000_000))
    store = Store(tmp_path / "disk")
    with mounted(store.root, "size=1m"):
        with pytest.raises(DiskError, match="The disk is full: free some space"):
            upstream.fetch([artifact], store, log)
        assert stored_digests(store) == []
        subprocess.run(["mount", "-o", "remount,size=9m", store.root], check=True)
        upstream.fetch([artifact], store, log)
        assert stored_digests(store) == [artifact.digest.removeprefix("sha256:")]
        assert "Range" in site.requests_for("/kubelet")[-1].headers


@pytest.mark.acceptance
def test_complete_store_may_be_read_only(site, upstream, log, tmp_path):
    artifact = publish_kubelet(site, elf_bytes())
    store = Store(tmp_path / "disk")
    with mounted(store.root, "size=9m"):
        upstream.fetch([artifact], store, log)
        subprocess.run(["mount", "-o", "remount,ro", store.root], check=True)
        upstream.fetch([artifact], store, log)


@pytest.mark.acceptance
def test_incomplete_read_only_store_is_reported(site, upstream, log, tmp_path):
    artifact = publish_kubelet(site, elf_bytes())
    store = Store(tmp_path / "disk")
    with mounted(store.root, "ro"), pytest.raises(DiskError, match="read-only") as caught:
        upstream.fetch([artifact], store, log)
    assert str(store.root) in caught.value.message
