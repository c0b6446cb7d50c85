"""Real package managers on real hosts, a web server, and published repositories."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.session import Session
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.signing import keys
from kubeparcel.templates import render
from tests.acceptance.clients.table import CLIENTS, Client
from tests.support.web_server import WebServer, serve_folder

T = TypeVar("T")
PublishFolder = Callable[..., Path]
Containers = Mapping[str, Container]
START = ContainerSpec("", "client", network="host", capabilities=("SYS_ADMIN",))
"""The web server is on the machine's loopback; scriptlets of rpms need the capability."""

SETUP_SCRIPT = """
apt-get update
apt-get install --yes --no-install-recommends curl sudo
rm -rf /etc/apt/sources.list /var/lib/apt/lists/* /etc/apt/apt.conf.d/99mmdebstrap
apt-get clean
"""
"""Installs what the page's commands use, and makes apt check expiry dates, which mmdebstrap turns off."""

IMAGES = "localhost/kubeparcel-tests/"


@pytest.fixture(scope="session")
def config() -> Iterator[Path]:
    """A configuration folder with two keys: `default`, and `another` that no client knows."""
    with tempfile.TemporaryDirectory(prefix="kpt-", ignore_cleanup_errors=True) as base:
        folder = Path(base, "c")
        try:
            with configured(folder):
                for name in (keys.DEFAULT_NAME, "another"):
                    keys.create(name, f"Tests {name} <tests@example.invalid>")
            yield folder
        finally:
            for home in folder.glob("keys/*"):
                subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


@contextmanager
def configured(config: Path) -> Iterator[None]:
    """Use the keys in this folder, and a separate cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBEPARCEL_CONFIG", str(config))
        patch.setenv("KUBEPARCEL_CACHE", str(config.parent / "cache"))
        yield


@pytest.fixture(scope="session")
def publish(config: Path) -> PublishFolder:
    """Return a function that publishes a folder without the layout check and returns the repository."""

    def publish_folder(source: Path, repo: Path, address: str, suite: str = "stable", **target_fields: object) -> Path:
        options = {"base_url": address, **target_fields.pop("options", {})}  # type: ignore[dict-item]
        target = Target(str(repo), options=options, **target_fields)  # type: ignore[arg-type]
        with configured(config):
            publisher.publish(source, target, QuietLog(), suite=suite, skip_layout_check=True)
        return repo

    return publish_folder


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with serve_folder() as server:
        yield server


@pytest.fixture(scope="module")
def containers(session: Session) -> Iterator[Containers]:
    """A running container of each client's host, by its name."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                session.start_container(client.host, replace(START, image=ensure_client_image(session, client)))
            )
            for name, client in CLIENTS.items()
        }


def each(containers: Containers, work: Callable[[Container], T]) -> dict[str, T]:
    """Run `work` for each client, several at a time, and return the results by name."""
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(containers, pool.map(work, containers.values()), strict=True))


def ensure_client_image(session: Session, client: Client) -> str:
    """Return the host's image with curl and sudo, which the page's commands use; the engine caches it.

    Its only repository is the host's own pool: a package missing in the published repository is
    not found elsewhere.
    """
    base = ensure_image(session, client.host)
    recipe = f"{base}\n{SETUP_SCRIPT}".encode()
    image = f"{IMAGES}{client.host.name}:{hashlib.sha256(recipe).hexdigest()[:16]}"
    with session.store.lock(f"image-{client.host.name}-client"):
        if not session.engine.has_image(image):
            build_client_image(session, client, base, image)
    return image


def build_client_image(session: Session, client: Client, base: str, image: str) -> None:
    """Build the image, and remove those of earlier recipes."""
    if not session.locations.debian_archive:
        pytest.skip("needs a Debian archive: KUBEPARCEL_DEBIAN")
    source = f"deb {session.locations.debian_archive} {client.host.suite} main\n"
    with session.start_container(client.host, replace(START, image=base)) as container:
        container.write_file("/etc/apt/sources.list", source)
        container.run_script(SETUP_SCRIPT, timeout=300)
        container.run_script(render(client.manager.repository_script, {}), timeout=120)
        session.engine.commit(container.name, image)
    for old in session.engine.list_images(f"{IMAGES}{client.host.name}:"):
        if old != image:
            session.engine.remove_image(old)
