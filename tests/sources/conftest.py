"""Fixtures for tests of sources: sites on loopback, a store and a log."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeparcel.config import catalog
from kubeparcel.console import QuietLog
from kubeparcel.lock_models import Artifact, InputPolicy
from kubeparcel.model import Arch, Version
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store
from tests.sources.go_world import published, world
from tests.support.upstream_site import UpstreamSite, serve_site

V1363 = Version.parse("1.36.3")
KUBELET = "https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
KUBELET_PATH = KUBELET.removeprefix("https:/")
FAST = RetryPolicy(connect_timeout=30, read_timeout=30, probe_timeout=30, attempts=3, backoff=0.01, max_retry_after=1)
"""Retries at once, with timeouts that a slow machine does not reach."""


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate tests from the proxies, credentials and certificates of this machine."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def site() -> Iterator[UpstreamSite]:
    with serve_site() as site_server:
        yield site_server


def publish_kubelet(site: UpstreamSite, data: bytes) -> Artifact:
    """Publish a file as the kubelet of 1.36.3, and return it as a lock has it."""
    site.publish_file(KUBELET, data)
    return Artifact("kubernetes", "kubelet", Arch.AMD64, KUBELET, f"sha256:{hashlib.sha256(data).hexdigest()}")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def log() -> QuietLog:
    return QuietLog()


@pytest.fixture
def from_mirror() -> Callable[..., Upstream]:
    """Return a function that creates the source for a mirror, with short pauses."""

    def make(
        mirror: str, policy: RetryPolicy = FAST, workers: int = 4, accepted: InputPolicy | None = None
    ) -> Upstream:
        return Upstream(catalog.load().components, mirror, policy, workers, accepted)

    return make


@pytest.fixture
def upstream(site: UpstreamSite, from_mirror: Callable[..., Upstream]) -> Upstream:
    """Return the source that reads the site as a mirror."""
    return from_mirror(site.url)
