"""Downloads over HTTP from servers that fail in various ways."""

from __future__ import annotations

import hashlib
import io
import threading
import time

import pytest

from kubeparcel import threads
from kubeparcel.console import PlainLog
from kubeparcel.errors import ConfigurationError, DigestError, DownloadError, ExternalError
from kubeparcel.lock_models import Artifact
from kubeparcel.model import Arch
from kubeparcel.sources.http.retry import RetryPolicy
from tests.sources.conftest import FAST, KUBELET, KUBELET_PATH, publish_kubelet
from tests.support import upstream_site as sites
from tests.support.elf_files import elf_bytes
from tests.support.waiting import TIMEOUT, wait_until

IMPATIENT = RetryPolicy(read_timeout=0.3, backoff=0.01)


@pytest.fixture
def stop():
    """Yield an event that ends waiting faults with their test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def data() -> bytes:
    return elf_bytes(3_000_000)


@pytest.fixture
def kubelet(site, data) -> Artifact:
    """Publish a kubelet."""
    return publish_kubelet(site, data)


@pytest.fixture
def download(upstream, kubelet, store, log):
    """Return a function that fetches the kubelet, with this source or another one, and returns its bytes."""

    def fetch(source=upstream) -> bytes:
        binaries = source.fetch([kubelet], store, log)
        return store.path(binaries["kubernetes", Arch.AMD64]["kubelet"]).read_bytes()

    return fetch


def short(handler, data):
    """Send 400 kB of the requested range, then close the connection."""
    start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    part = data[start : start + 400_000]
    headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
    handler.answer(206 if start else 200, part, headers, len(data) - start)
    handler.close_connection = True


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([], id="none"),
        pytest.param([sites.reset(500_000), sites.reset(0)], id="connection is reset"),
        pytest.param([short] * 6, id="connection ends early, but with progress"),
        pytest.param([sites.truncated(1_000_000), sites.send_whole_file], id="server without ranges"),
        pytest.param([sites.send_chunked], id="unknown length"),
    ],
)
def test_file_is_stored_whole_in_spite_of_faults(site, download, store, data, faults):
    site.faults[KUBELET_PATH] = [*faults]
    assert download() == data
    assert not list((store.root / "partial").iterdir())


def test_stalled_download_is_retried(site, from_mirror, download, data, stop):
    site.faults[KUBELET_PATH] = [sites.stalled(1_000_000, stop)]
    started = time.monotonic()
    assert download(from_mirror(site.url, IMPATIENT)) == data
    assert time.monotonic() - started < TIMEOUT


def test_download_below_the_minimum_rate_counts_as_stalled(site, from_mirror, download, data, stop):
    site.faults[KUBELET_PATH] = [sites.slow(stop)]
    assert download(from_mirror(site.url, IMPATIENT)) == data


@pytest.mark.parametrize(
    ("partial", "requests"),
    [
        pytest.param(lambda _: b"<html>a login page</html>", 2, id="of another file"),
        pytest.param(lambda data: data + b"more", 2, id="too long"),
        pytest.param(lambda data: data, 1, id="complete"),
    ],
)
def test_partial_file_is_verified_and_replaced_if_it_is_wrong(site, download, kubelet, store, data, partial, requests):
    store.partial(f"kubelet-amd64-{kubelet.digest.removeprefix('sha256:')}").write_bytes(partial(data))
    assert download() == data
    assert len(site.requests_for("/kubelet")) == requests


def test_stored_file_needs_no_network(site, upstream, kubelet, store, log):
    upstream.fetch([kubelet], store, log)
    before = len(site.requests)
    upstream.fetch([kubelet], store, log)
    assert len(site.requests) == before


def test_truncated_body_is_resumed(site, download, data):
    site.faults[KUBELET_PATH] = [sites.truncated(1_000_000)]
    assert download() == data
    first, second = site.requests_for("/kubelet")
    assert "Range" not in first.headers
    assert second.headers["Range"] == "bytes=1000000-"
    assert second.headers["If-Range"].startswith('"')


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_transient_server_error_is_retried(site, upstream, kubelet, store, log, code):
    site.faults[KUBELET_PATH] = [sites.status(code)] * 2
    upstream.fetch([kubelet], store, log)
    assert len(site.requests_for("/kubelet")) == 3


def test_permanent_server_error_is_reported(site, upstream, kubelet, store, log):
    site.faults[KUBELET_PATH] = [sites.status(503)] * 9
    with pytest.raises(DownloadError, match=r"kubelet answered 503 \(server error\)"):
        upstream.fetch([kubelet], store, log)
    assert len(site.requests_for("/kubelet")) == FAST.attempts


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_permanent_status_is_not_retried(site, upstream, kubelet, store, log, code):
    site.faults[KUBELET_PATH] = [sites.status(code)] * 2
    with pytest.raises(DownloadError, match=f"answered {code}"):
        upstream.fetch([kubelet], store, log)
    assert len(site.requests_for("/kubelet")) == 1


def test_retry_after_is_honoured(site, upstream, kubelet, store, log):
    site.faults[KUBELET_PATH] = [sites.status(503, {"Retry-After": "1"})]
    started = time.monotonic()
    upstream.fetch([kubelet], store, log)
    assert time.monotonic() - started >= 1


def test_long_retry_after_is_not_waited_for(site, upstream, kubelet, store, log):
    site.faults[KUBELET_PATH] = [sites.status(429, {"Retry-After": "3600"})]
    with pytest.raises(DownloadError, match="429"):
        upstream.fetch([kubelet], store, log)


@pytest.mark.parametrize("header", ["\xb2", "9" * 5000])
def test_retry_after_that_is_no_number_is_ignored(site, upstream, kubelet, store, log, header):
    site.faults[KUBELET_PATH] = [sites.status(503, {"Retry-After": header})]
    upstream.fetch([kubelet], store, log)
    assert len(site.requests_for("/kubelet")) == 2


def test_file_with_a_wrong_digest_is_quarantined(site, upstream, kubelet, store, log):
    site.files[KUBELET_PATH] = b"\x7fELF something else"
    with pytest.raises(DigestError) as caught:
        upstream.fetch([kubelet], store, log)
    assert caught.value.message.startswith("kubelet amd64: the download's sha256 is ")
    assert "kubeparcel.lock has" in caught.value.message
    assert "inv resolve --refresh" in caught.value.hint
    [aside] = (store.root / "quarantine").iterdir()
    assert str(aside) in caught.value.hint
    assert not store.has(kubelet.digest.removeprefix("sha256:"))
    assert len(site.requests_for("/kubelet")) == 1


def test_interrupted_download_is_resumed_in_the_next_run(site, from_mirror, download, data):
    site.faults[KUBELET_PATH] = [sites.truncated(1_000_000)]
    with pytest.raises(DownloadError, match="run the same command again to resume"):
        download(from_mirror(site.url, RetryPolicy(attempts=1)))
    assert download() == data
    assert site.requests_for("/kubelet")[-1].headers["Range"] == "bytes=1000000-"


def test_redirect_is_followed(site, download, data):
    with sites.serve_site("127.0.0.2") as storage:
        storage.files["/blob"] = data
        site.faults[KUBELET_PATH] = [sites.redirect(f"{storage.url}/blob?signature=x")]
        assert download() == data


def test_four_files_are_downloaded_in_parallel(site, upstream, store, log):
    waiting = threading.Barrier(4)
    artifacts = []
    for number in range(4):
        data = elf_bytes(1000)
        address = f"{KUBELET}-{number}"
        site.faults[site.publish_file(address, data)] = [together(waiting)]
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        artifacts.append(Artifact("kubernetes", "kubelet", Arch.AMD64, address, digest))
    upstream.fetch(artifacts, store, log)


def together(barrier):
    def fault(handler, data):
        barrier.wait(20)
        handler.answer(200, data)

    return fault


def test_error_stops_other_downloads_and_keeps_their_partial_files(
    site, from_mirror, kubelet, store, log, stop, monkeypatch
):
    def sizes():
        return [p.stat().st_size for p in (store.root / "partial").glob("*") if p.stat().st_size]

    def late(handler, data):
        assert wait_until(lambda: sizes() == [1_000_000])
        handler.answer(404, b"no")

    other = f"{KUBELET}-gone"
    site.faults[KUBELET_PATH] = [sites.stalled(1_000_000, stop)]
    site.faults["/" + other.partition("://")[2]] = [late]
    gone = Artifact("kubernetes", "kubeadm", Arch.AMD64, other, "sha256:" + "0" * 64)
    # Each download is waited for until it has ended: one that nobody stops goes on for two minutes.
    monkeypatch.setattr(threads, "GRACE", 2 * TIMEOUT)
    started = time.monotonic()
    with pytest.raises(DownloadError, match="404"):
        from_mirror(site.url, RetryPolicy(read_timeout=2 * TIMEOUT)).fetch([kubelet, gone], store, log)
    assert time.monotonic() - started < TIMEOUT
    assert sizes() == [1_000_000]


def test_progress_is_reported_for_each_file(site, upstream, kubelet, store):
    out = io.StringIO()
    upstream.fetch([kubelet], store, PlainLog(out))
    assert out.getvalue().startswith("Download   kubelet amd64 · 3.0 MB · ")


def test_lock_with_another_kind_of_digest_is_rejected(upstream, kubelet, store, log):
    odd = Artifact("kubernetes", "kubelet", Arch.AMD64, KUBELET, "h1:abc")
    with pytest.raises(ConfigurationError, match="Resolve again: inv resolve"):
        upstream.fetch([odd], store, log)


def test_mirror_folder_is_copied_from_and_verified(site, download, from_mirror, data, tmp_path):
    target = tmp_path / "mirror" / KUBELET_PATH[1:]
    target.parent.mkdir(parents=True)
    folder_mirror = from_mirror(str(tmp_path / "mirror"))
    with pytest.raises(DownloadError, match="kubelet does not exist"):
        download(folder_mirror)
    target.write_bytes(b"damaged")
    with pytest.raises(DigestError, match=str(target)):
        download(folder_mirror)
    target.write_bytes(data)
    assert download(folder_mirror) == data
    assert not site.requests


def test_network_errors_are_never_tracebacks(site, upstream, kubelet, store, log):
    def nonsense(handler, _):
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        handler.close_connection = True

    site.faults[KUBELET_PATH] = [nonsense] * 9
    with pytest.raises(ExternalError):
        upstream.fetch([kubelet], store, log)
