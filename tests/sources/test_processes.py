"""Downloads beside other processes, on poor machines, and killed in the middle."""

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
from kubeparcel.model import Arch, Artifact
from kubeparcel.paths import PACKAGE
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.store import Store
from tests.conftest import TIMEOUT, wait_until
from tests.support import upstream_site as sites
from tests.support.elf_files import elf_bytes

KUBELET = "https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
PATH = "/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"

FETCH = """
import sys
from pathlib import Path
from kubeparcel.config import catalog
from kubeparcel.console import QuietLog
from kubeparcel.model import Arch, Artifact
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store
mirror, store, origin, digest = sys.argv[1:]
artifact = Artifact("kubernetes", "kubelet", Arch.AMD64, origin, digest)
Upstream(catalog.load().components, mirror).fetch([artifact], Store(Path(store)), QuietLog())
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def kubelet(site, data: bytes) -> Artifact:
    site.publish_file(KUBELET, data)
    digest = hashlib.sha256(data).hexdigest()
    return Artifact("kubernetes", "kubelet", Arch.AMD64, KUBELET, f"sha256:{digest}")


def fetching(site, store: Store, artifact: Artifact) -> subprocess.Popen[str]:
    """Another process that gets the artifact."""
    argv = [sys.executable, "-c", FETCH, site.url, store.root, artifact.origin, artifact.digest]
    return subprocess.Popen(
        argv,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def parts(store: Store) -> list[int]:
    """The sizes of what has arrived in part."""
    return [path.stat().st_size for path in (store.root / "partial").glob("*")]


def stored(store: Store) -> list[str]:
    return [path.name for path in (store.root / "sha256").glob("*/*")]


def test_two_processes_that_want_the_same_file_get_it_once(site, store):
    artifact, calm = kubelet(site, elf_bytes(1_000_000)), threading.Event()

    def slow(handler, data):
        calm.wait(TIMEOUT)
        handler.answer(200, data)

    site.faults[PATH] = [slow]
    both = [fetching(site, store, artifact) for _ in range(2)]
    assert wait_until(lambda: len(site.requests_for("/kubelet")) == 1)
    time.sleep(0.5)  # the other could ask now
    calm.set()
    for process in both:
        _, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, err
    assert len(site.requests_for("/kubelet")) == 1
    assert stored(store) == [artifact.digest.removeprefix("sha256:")]


@pytest.fixture
def halfway(site, store):
    """A process that has got two thirds of a file and waits for the rest, and the file."""
    artifact, end = kubelet(site, elf_bytes(3_000_000)), threading.Event()
    site.faults[PATH] = [sites.stalled(2_000_000, end)]
    with fetching(site, store, artifact) as process:
        try:
            assert wait_until(lambda: sum(parts(store)) > 1_900_000)
            yield process, artifact
        finally:
            end.set()
            process.kill()


def test_a_killed_download_goes_on_where_it_was(halfway, site, store, upstream, log):
    process, artifact = halfway
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert stored(store) == []
    [size] = parts(store)
    upstream.fetch([artifact], store, log)
    assert site.requests_for("/kubelet")[-1].headers["Range"] == f"bytes={size}-"
    assert stored(store) == [artifact.digest.removeprefix("sha256:")]
    assert parts(store) == []


def test_ctrl_c_ends_a_download_at_once_and_keeps_what_has_come(halfway, store):
    process, _ = halfway
    [arrived] = parts(store)
    process.send_signal(signal.SIGINT)
    # One that went on waiting would do so for the server's whole silence.
    _, err = process.communicate(timeout=RetryPolicy().read_timeout / 2)
    assert "KeyboardInterrupt" in err
    [kept] = parts(store)
    assert arrived <= kept <= 2_000_000


def test_memory_does_not_grow_with_the_file(site, store):
    size, block = 300 << 20, bytes(1 << 20)
    whole = hashlib.sha256()
    for _ in range(size // len(block)):
        whole.update(block)

    def big(handler, _):
        handler.answer(200, b"", length=size)
        for _ in range(size // len(block)):
            handler.wfile.write(block)

    site.faults[PATH] = [big]
    digest = f"sha256:{whole.hexdigest()}"
    process = fetching(site, store, Artifact("kubernetes", "kubelet", Arch.AMD64, KUBELET, digest))
    out, err = process.communicate(timeout=5 * TIMEOUT)
    assert process.returncode == 0, err
    assert int(out) * 1024 < size // 2


@contextmanager
def mounted(folder, options: str):
    """A small disk of its own."""
    if os.geteuid():
        pytest.skip("needs root to mount a disk")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_named_and_what_has_come_is_kept(site, upstream, log, tmp_path):
    artifact = kubelet(site, elf_bytes(3_000_000))
    store = Store(tmp_path / "disk")
    with mounted(store.root, "size=1m"):
        with pytest.raises(DiskError, match="The disk is full: free some space"):
            upstream.fetch([artifact], store, log)
        assert stored(store) == []
        subprocess.run(["mount", "-o", "remount,size=9m", store.root], check=True)
        upstream.fetch([artifact], store, log)
        assert stored(store) == [artifact.digest.removeprefix("sha256:")]
        assert "Range" in site.requests_for("/kubelet")[-1].headers


def test_a_read_only_store_is_enough_when_all_is_there(site, upstream, log, tmp_path):
    artifact = kubelet(site, elf_bytes())
    store = Store(tmp_path / "disk")
    with mounted(store.root, "size=9m"):
        upstream.fetch([artifact], store, log)
        subprocess.run(["mount", "-o", "remount,ro", store.root], check=True)
        upstream.fetch([artifact], store, log)


def test_a_read_only_store_that_lacks_something_is_named(site, upstream, log, tmp_path):
    artifact = kubelet(site, elf_bytes())
    store = Store(tmp_path / "disk")
    with mounted(store.root, "ro"), pytest.raises(DiskError, match="read-only") as caught:
        upstream.fetch([artifact], store, log)
    assert str(store.root) in caught.value.message
