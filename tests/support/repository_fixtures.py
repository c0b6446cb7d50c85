"""Fixtures: a signing key, a repository to publish to, and buckets of real S3 servers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.console import Log, QuietLog
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.result import ChangeResult
from kubeparcel.repository.signing import keys
from tests.support import buckets
from tests.support.package_builders import five

Publish = Callable[..., ChangeResult]


@pytest.fixture(scope="session")
def session_key() -> Iterator[Path]:
    """A configuration folder with the key `default`, created once because it takes seconds."""
    with _configuration() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBEPARCEL_CONFIG", str(folder))
        keys.create(user_id="Tests <tests@example.invalid>")
        yield folder


@contextmanager
def _configuration() -> Iterator[Path]:
    """Create a folder with a path short enough for the sockets of gpg-agent; stop the agents."""
    with tempfile.TemporaryDirectory(prefix="kpt-", ignore_cleanup_errors=True) as base:
        folder = Path(base, "c")
        try:
            yield folder
        finally:
            for home in folder.glob("keys/*"):
                subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


@pytest.fixture(autouse=True)
def configuration(isolated_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty configuration folder for each test, which creates keys of 2,048 bits: those take no seconds."""
    monkeypatch.setattr(keys, "ALGORITHM", "rsa2048")
    with _configuration() as folder:
        monkeypatch.setenv("KUBEPARCEL_CONFIG", str(folder))
        yield folder


@pytest.fixture
def key(session_key: Path, configuration: Path) -> Path:
    """A configuration folder with the key `default`."""
    ignored = shutil.ignore_patterns("S.*", "*.lock", ".#*")
    shutil.copytree(session_key, configuration, ignore=ignored)
    return configuration


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A folder with small packages of the five names in version 1.36.3."""
    return five(tmp_path / "dist")


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A folder with the next patch, 1.36.4."""
    return five(tmp_path / "newer", "1.36.4")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tmp_path / "repo"


def publish_folder(
    source: Path, location: object, log: Log | None = None, *, suite: str = "", **target_fields: Any
) -> ChangeResult:
    """Publish a folder without the layout check, which small packages do not pass."""
    target = Target(str(location), **target_fields)
    return publisher.publish(source, target, log or QuietLog(), suite=suite, skip_layout_check=True)


@pytest.fixture
def publish(key: Path, dist: Path, repo: Path) -> Publish:
    """Return a function that publishes a folder, by default `dist`, to the repository."""

    def publish_to_repo(source: Path = dist, **options: Any) -> ChangeResult:
        return publish_folder(source, repo, **options)

    return publish_to_repo


@pytest.fixture(
    scope="module",
    params=[buckets.moto, pytest.param(buckets.versitygw, marks=pytest.mark.acceptance)],
    ids=["moto", "versitygw"],
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with request.param(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The URL of an empty bucket; the environment contains its credentials."""
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", buckets.USER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", buckets.SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    name = f"b{abs(hash(tmp_path)):x}"
    buckets.create_bucket(server, name)
    return f"s3://{name}/some/prefix"


@pytest.fixture
def proxy(bucket: str, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[buckets.FaultProxy]:
    """A proxy that injects faults between the storage and the bucket's server."""
    with buckets.fault_proxy(server) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running
